"""Which pairs and triplets a batch gives."""
