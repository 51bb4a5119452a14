"""The folder of a run: checkpoints, result, curves."""
