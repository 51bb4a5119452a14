"""Commands around model files: models, doctor."""
