"""Detectors: an image goes in, its faces come out."""

from vultus.detection.mtcnn import detector as mtcnn  # each registers its detector
from vultus.detection.one_network import (
    scrfd,  # each registers its detector
    yunet,  # each registers its detector
)

__all__ = ["mtcnn", "scrfd", "yunet"]
