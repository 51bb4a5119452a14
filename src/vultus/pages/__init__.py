"""Templates and style of every HTML page."""
