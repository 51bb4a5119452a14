"""Where a gallery is kept."""
