"""How good a face is for recognition: measures with units, one score, and a gate with reasons."""
