"""One face passing by: its best shots, and one decision with an error rate."""
