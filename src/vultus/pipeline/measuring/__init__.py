"""A Recognizer run on a protocol or a calibration."""
