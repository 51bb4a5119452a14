"""Losses that hold a centre of each class in Euclidean space."""
