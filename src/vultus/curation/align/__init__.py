"""Raw photos to aligned training crops."""
