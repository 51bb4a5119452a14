"""MegaFace: probes among up to a million distractors."""
