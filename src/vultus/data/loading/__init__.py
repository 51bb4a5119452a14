"""Batches of crops for training, the same with any number of workers."""
