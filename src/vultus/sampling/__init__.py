"""What goes into a batch, and which pairs and triplets of it teach something."""
