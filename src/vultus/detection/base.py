"""What every detector offers, and the names under which detectors are found."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from vultus.core.errors import InputError
from vultus.core.faces import Faces, Image
from vultus.core.plain_values import parse_assignment
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


class SmallestFace(NamedTuple):
    """The smallest face that a detector looks for in a photo.

    Attributes:
        px: Its side in pixels of the photo; for some detectors about.
        smaller: The setting with which smaller ones are looked for, as `open_detector` takes it;
            empty where the user chose the size, or nothing can be done.
    """

    px: float
    smaller: str


def smallest_face(detector: Detector, size_hw: tuple[int, int]) -> SmallestFace | None:
    """Which faces a detector looks for in a photo of this size; None where it does not say.

    Args:
        detector: Asked by its method ``smallest_face(size_hw)``, which not every one has.
        size_hw: The photo's height and width.
    """
    ask = getattr(detector, "smallest_face", None)
    return None if ask is None else ask(size_hw)


def too_small_to_see(detector: Detector, size_hw: tuple[int, int], *, text: str) -> str:
    """What a message about a photo without a face adds where smaller ones could be looked for.

    Args:
        detector: Who found none.
        size_hw: The photo's height and width.
        text: How the detector was asked for, as `open_detector` takes it.

    Example:
        >>> from vultus.detection.mtcnn.detector import MtcnnDetector
        >>> too_small_to_see(MtcnnDetector(), (480, 640), text="mtcnn")
        ''
        >>> too_small_to_see(MtcnnDetector(), (4608, 3456), text="mtcnn")
        ' (faces under 72 pixels were not looked for; detector mtcnn:min_face_px=20 does)'
    """
    least = smallest_face(detector, size_hw)
    if least is None or least.px <= USUAL_SMALLEST_PX:
        return ""
    way = with_setting(text, least.smaller)
    does = way and f"; detector {way} does"
    return f" (faces under {least.px:.0f} pixels were not looked for{does})"


def with_setting(text: str, setting: str) -> str:
    """The text of a detector with one more setting; empty where there is none to add.

    Example:
        >>> with_setting("yunet:yunet-n-dynamic", "max_side=1280")
        'yunet:yunet-n-dynamic,max_side=1280'
    """
    key = setting.partition("=")[0]
    if not setting or f"{key}=" in text.replace(" ", ""):
        return ""
    return f"{text}{',' if ':' in text else ':'}{setting}"


USUAL_SMALLEST_PX = 20
"""Smaller faces can hardly be judged: that they are not looked for is not worth a word."""

_COMMAS = re.compile(r",(?![^\[]*\])")  # but not those inside a list

DETECTORS: Registry[Detector] = Registry("detectors")
"""All detectors by name. Other packages add theirs through the group ``vultus.detectors``."""


def open_detector(text: str, **settings: Any) -> Detector:
    """Open the detector that a text describes, as the command line takes it.

    Args:
        text: A registered name, and behind a colon, separated by commas, another model of the store
            and settings: ``mtcnn``, ``yunet:yunet-n-dynamic``, ``mtcnn:min_face_px=60``,
            ``yunet:yunet-n-dynamic,max_side=1280``.
        settings: Further settings; those of the text go before them.

    Raises:
        RegistryError: If there is no such detector.
        InputError: If it has no such setting, or cannot take its value.
        VultusError: Whatever opening the model raises.
    """
    name, _, rest = text.partition(":")
    chosen: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in _COMMAS.split(rest))):
        key, value = parse_assignment(part) if "=" in part else ("model", part)
        if key in chosen:
            raise InputError(f"detector {text!r} says {key} twice; once is enough")
        chosen[key] = value
    return DETECTORS.create(name, **settings | chosen)


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
