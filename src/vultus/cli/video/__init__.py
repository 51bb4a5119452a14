"""Commands about cameras and films."""
