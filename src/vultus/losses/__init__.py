"""Losses: ``(features, labels) -> (scalar, statistics)``; pure functions with thin modules."""
