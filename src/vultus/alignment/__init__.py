"""From faces in an image to crops of one size: the landmarks laid onto a template, or a margin."""
