"""Planted errors in a data set, to measure what the audit finds."""
