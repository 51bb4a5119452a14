"""Heads for many classes: fused, sampled and sharded over processes."""
