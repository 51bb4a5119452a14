"""Is it a living face before the camera? A passive signal by networks; it is no proof."""
