"""The process a run lives in: ranks, signals, random numbers, precision, memory."""
