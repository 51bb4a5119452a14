"""What watches over a run: settings, alignment, numbers that are not finite."""
