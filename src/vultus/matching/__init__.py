"""Embeddings to decisions: verify, identify, search, fuse, cluster, and compact templates."""
