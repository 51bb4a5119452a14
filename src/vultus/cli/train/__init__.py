"""Commands that make a model: train, export, plot."""
