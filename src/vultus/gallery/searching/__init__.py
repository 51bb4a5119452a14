"""Searching a gallery: templates that follow the store, and answers about faces."""
