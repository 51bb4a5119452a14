"""What every detector offers, and the names under which detectors are found."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from vultus.core.errors import InputError
from vultus.core.faces import Faces, Image
from vultus.core.registry import Registry


class Detector(Protocol):
    """Finds the faces in images; one detector may be used from many threads at once.

    Attributes:
        name: Under which it is registered.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    def detect(self, image: Image) -> Faces:
        """Find the faces in one image.

        Args:
            image: (h, w, 3) uint8, RGB, of any size; a grey image with its channel three times.

        Returns:
            The faces, highest score first; empty where there is none. Boxes may reach over the
            image's edge.

        Raises:
            InputError: If it is no such image.
        """
        ...

    def detect_batch(self, images: Sequence[Image]) -> list[Faces]:
        """Find the faces in several images, of equal or different sizes.

        The result is that of `detect` on each image, up to the rounding of the network's
        arithmetic; it only comes sooner.

        Raises:
            InputError: If one of them is no image.
        """
        ...


DETECTORS: Registry[Detector] = Registry("detectors")
"""All detectors by name. Other packages add theirs through the group ``vultus.detectors``."""


def check_images(images: Sequence[Any]) -> None:
    """Check that all are images as `Detector.detect` takes them.

    Raises:
        InputError: If one is not, or if a single image came where several were expected.
    """
    if isinstance(images, np.ndarray) and images.ndim == 3:
        raise InputError("images must be a list of images, got one array; use detect()")
    for index, image in enumerate(images):
        wanted = f"image {index} must be uint8 of shape (h, w, 3), RGB, not empty"
        if not isinstance(image, np.ndarray):
            raise InputError(f"{wanted}; got {type(image).__name__} (see vultus.image.io)")
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise InputError(f"{wanted}; got {image.dtype} of shape {image.shape}")
