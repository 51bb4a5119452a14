"""The model store: cards that say what a model is, and files that are what their card says."""
