"""From aligned crops to embeddings that know their space."""
