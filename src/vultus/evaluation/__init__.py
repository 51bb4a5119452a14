"""Error rates, intervals, curves and protocols: how good a system is, and how sure we are of it."""
