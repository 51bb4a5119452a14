"""A small network that tells living faces from attacks, trained on a site's own photos."""
