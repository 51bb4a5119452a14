"""Embeddings to decisions: verify, identify, fuse, cluster, and the thresholds they take."""
