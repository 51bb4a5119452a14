"""Detectors: an image goes in, its faces come out."""

from vultus.detection import mtcnn, scrfd, yunet  # each registers its detector

__all__ = ["mtcnn", "scrfd", "yunet"]
