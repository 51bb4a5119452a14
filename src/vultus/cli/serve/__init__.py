"""The command that serves galleries."""
