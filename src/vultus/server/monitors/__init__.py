"""Monitors: cameras, streams and films that a service watches, each for one gallery."""
