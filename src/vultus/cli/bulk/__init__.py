"""Commands for many photos and many processes."""
