"""Photos -> the crops that the network sees, kept on the disk as they are made."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError, VultusError
from vultus.core.faces import Image
from vultus.core.files import make_private_folder, writing
from vultus.core.npz_file import read_npz
from vultus.core.progress import Progress, tracked
from vultus.detection.base import Detector, open_detector
from vultus.image.io import read_image
from vultus.liveness.context_crop import context_crop
from vultus.liveness.passive import unfit_reasons
from vultus.pipeline.photos import ErrorHandler
from vultus.training.liveness.photos import LIVE, ListedPhoto
from vultus.training.liveness.recipe import CropConfig
from vultus.training.liveness.split import Part

_AT_A_TIME = 100
"""Photos of a file: what is lost at most when a run is stopped."""
_SMALL_PX = 16
_FIELDS = ("pixels", "usable")


@dataclass(frozen=True, slots=True, eq=False)
class Crops:
    """The largest face of each photo.

    Attributes:
        pixels: (n, size, size, 3) uint8, RGB; zeros where it is not usable.
        usable: (n,) whether a face was found that can be judged.
    """

    pixels: npt.NDArray[np.uint8]
    usable: npt.NDArray[np.bool_]


def photo_crops(
    photos: Sequence[ListedPhoto],
    config: CropConfig,
    *,
    kept: Path,
    progress: Progress | None = None,
    on_error: ErrorHandler | None = None,
) -> Crops:
    """Cut the faces out, as `vultus.liveness.passive.PassiveLiveness` does when it judges.

    Args:
        photos: Of the folder.
        config: What the network sees.
        kept: Folder of what was cut already; the next run with these photos and settings goes on
            from there.
        progress: Told how far it is.
        on_error: Told of photos that cannot be used, those cut just now.
    """
    make_private_folder(kept)
    detector, parts = None, []
    starts = range(0, len(photos), _AT_A_TIME)
    for start in tracked(starts, "finding faces", total=len(starts), progress=progress):
        some = photos[start : start + _AT_A_TIME]
        path = kept / f"{start:07d}-{_key(some, config)}.npz"
        if (known := _read(path, len(some), config.size_px)) is None:
            detector = open_detector(config.detector) if detector is None else detector
            known = _cut(some, config, detector, on_error)
            with writing(path, private=True) as file:
                np.savez(file, pixels=known.pixels, usable=known.usable)
        parts.append(known)
    return Crops(
        np.concatenate([part.pixels for part in parts]),
        np.concatenate([part.usable for part in parts]),
    )


def check_near_copies(
    photos: Sequence[ListedPhoto],
    pixels: npt.NDArray[np.uint8],
    parts: Sequence[Part],
    *,
    least: float,
) -> None:
    """Refuse photos that train and, all but equal, are checked on: frames of one film, say.

    Args:
        photos: Those that can be judged.
        pixels: (n, size, size, 3) uint8, their crops.
        parts: One a photo.
        least: Correlation from which on two crops count as copies; 1 checks nothing.

    Raises:
        InputError: If there are such photos.
    """
    if least >= 1:
        return
    small = np.stack([_small(crop) for crop in pixels])
    for is_live in (True, False):
        mine = np.array([(photo.kind == LIVE) == is_live for photo in photos])
        trains = np.flatnonzero(mine & np.array([part == "train" for part in parts]))
        checks = np.flatnonzero(mine & np.array([part != "train" for part in parts]))
        for place in checks.tolist() if len(trains) else ():
            alike = small[trains] @ small[place]
            nearest = int(alike.argmax())
            if alike[nearest] >= least:
                other = photos[int(trains[nearest])]
                raise InputError(
                    f"{other.path} (of {other.group}) and {photos[place].path} (of "
                    f"{photos[place].group}) are all but the same photo, and one would train while "
                    "the other checks: put them into one folder of a person, or remove one "
                    "(data.near_copy says how alike they may be)"
                )


def _small(crop: Image) -> npt.NDArray[np.float32]:
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    tiny = cv2.resize(grey, (_SMALL_PX, _SMALL_PX), interpolation=cv2.INTER_AREA).ravel()
    centred = tiny.astype(np.float32) - tiny.mean()
    return np.asarray(centred / max(float(np.linalg.norm(centred)), 1e-6), np.float32)


def _cut(
    photos: Sequence[ListedPhoto],
    config: CropConfig,
    detector: Detector,
    on_error: ErrorHandler | None,
) -> Crops:
    pixels = np.zeros((len(photos), config.size_px, config.size_px, 3), np.uint8)
    usable = np.zeros(len(photos), np.bool_)
    for place, photo in enumerate(photos):
        try:
            image = read_image(photo.path)
            faces = detector.detect(image)
            if not len(faces):
                raise InputError("no face found")
            box = faces.boxes[faces.cut_to(image.shape[:2]).largest()]
            crop = context_crop(image, box, times=config.context, size_px=config.size_px)
            if reasons := unfit_reasons(crop, times=config.context):
                raise InputError("; ".join(reasons))
        except VultusError as error:
            if on_error is not None:
                on_error(str(photo.path), error)
            continue
        pixels[place], usable[place] = crop.pixels, True
    return Crops(pixels, usable)


def _key(photos: Sequence[ListedPhoto], config: CropConfig) -> str:
    """Of what the crops depend on."""
    told = [config.context, config.size_px, config.detector]
    for photo in photos:
        state = photo.path.stat()
        told.append([str(photo.path), state.st_size, state.st_mtime_ns])
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def _read(path: Path, n: int, size: int) -> Crops | None:
    if not path.is_file():
        return None
    try:
        stored = read_npz(path, _FIELDS)
    except VultusError:  # damaged: made anew
        return None
    pixels, usable = (stored[name] for name in _FIELDS)
    if pixels.shape != (n, size, size, 3) or usable.shape != (n,):
        return None
    return Crops(np.asarray(pixels, np.uint8), np.asarray(usable, np.bool_))
