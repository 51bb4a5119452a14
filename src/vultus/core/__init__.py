"""The types and rules that every part of Vultus shares; imports NumPy and nothing else."""
