"""Making a model: configuration, the training loop, and small experiments to look at losses."""
