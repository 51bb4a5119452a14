"""The people of a gallery: what is known of them, their photos, all of them together."""
