"""Results on disk, and the page that compares them."""
