"""Commands that measure: evaluate, calibrate, report."""
