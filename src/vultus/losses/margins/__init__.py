"""Margin softmax losses and the target logits that they are made of."""
