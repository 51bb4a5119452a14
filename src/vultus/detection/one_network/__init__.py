"""Detectors of one network that looks once at the photo: YuNet, SCRFD."""
