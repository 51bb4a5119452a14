"""Enrolled people on disk."""
