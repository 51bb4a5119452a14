"""Losses over pairs and triplets of a batch."""
