"""Scores and labels to numbers, each with n and an interval."""
