"""What happened: one log of events in each gallery, for cameras and services alike."""
