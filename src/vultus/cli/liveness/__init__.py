"""Commands about living faces and presentation attacks."""
