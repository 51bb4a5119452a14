"""Bringing a gallery to another model: kept crops, both spaces side by side, the switch."""
