"""Two-dimensional experiments and their pictures."""
