"""Contact sheets: what augmentations do to a crop, who is in the synthetic data set."""

from collections.abc import Sequence

import cv2
import numpy as np

from vultus.core.checks import check_positive_int
from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.data.augmentation import AUGMENTATIONS, Augmentation, Transform
from vultus.data.base import FaceDataset

_CAPTION_PX = 118
_GAP_PX = 2
_WHITE = 255


def contact_sheet(rows: Sequence[tuple[str, Sequence[Image]]]) -> Image:
    """Lay images out in rows, each with a caption at its left.

    Args:
        rows: Caption (ASCII; none if all are empty) and images of each row. All rows hold as many
            images, all images have one size.

    Returns:
        (h, w, 3) uint8, RGB, on white.

    Raises:
        InputError: If there is no image, or numbers or sizes differ.
    """
    shapes = {image.shape for _, images in rows for image in images}
    if len(shapes) != 1 or len({len(images) for _, images in rows}) != 1:
        raise InputError(
            "rows must hold equally many images of one size, got "
            f"{[len(images) for _, images in rows]} images of the shapes {sorted(shapes)}"
        )
    margin = _CAPTION_PX if any(caption for caption, _ in rows) else 0
    return np.concatenate([_row(caption, images, margin) for caption, images in rows])


def augmentation_sheet(
    image: Image, *, columns: int = 8, seed: int = 0, augmentation: Augmentation | None = None
) -> Image:
    """Show what augmentations do: one row each, the crop itself first.

    Args:
        image: (h, w, 3) uint8 RGB: a crop aligned to ``arcface-112``, at any scale.
        columns: Draws of each.
        seed: Of the draws.
        augmentation: Show the steps of this sequence, and in the last rows the whole of it; None
            for every registered augmentation with its default settings. Those that need a whole
            batch are left out.
    """
    check_positive_int("columns", columns)
    named: list[tuple[str, Transform]]
    if augmentation is None:
        every = [(name, AUGMENTATIONS.create(name)) for name in AUGMENTATIONS]
        named = [(name, transform) for name, transform in every if not _needs_batch(transform)]
    else:
        steps = tuple(step for step in augmentation.steps if not _needs_batch(step.transform))
        named = [(type(step.transform).__name__, step.transform) for step in steps]
        named += [("all, as set", Augmentation(steps))] * 3
    rows = []
    for number, (name, transform) in enumerate(named):
        draws = [np.random.default_rng([seed, number, draw]) for draw in range(columns)]
        rows.append((name, [image, *(transform(image, generator) for generator in draws)]))
    return contact_sheet(rows)


def identity_sheet(faces: FaceDataset, *, identities: int = 8, columns: int = 10) -> Image:
    """Show the first images of the first identities, one row each.

    Raises:
        InputError: If there are fewer identities, or one of them has fewer images.
    """
    rows = []
    for label in range(identities):
        indices = np.flatnonzero(faces.labels == label)[:columns]
        if len(indices) < columns:
            raise InputError(f"identity {label} must have {columns} images, has {len(indices)}")
        rows.append(("", [faces.image(int(index)) for index in indices]))
    return contact_sheet(rows)


def _needs_batch(transform: Transform) -> bool:
    return bool(getattr(transform, "needs_batch", False))


def _row(caption: str, images: Sequence[Image], margin: int) -> Image:
    framed = [
        cv2.copyMakeBorder(image, 0, _GAP_PX, 0, _GAP_PX, cv2.BORDER_CONSTANT, value=(_WHITE,) * 3)
        for image in images
    ]
    strip = np.full((framed[0].shape[0], margin, 3), _WHITE, np.uint8)
    if margin:
        place = (4, strip.shape[0] // 2 + 4)
        cv2.putText(
            strip, caption, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA
        )
    return np.concatenate([strip, *framed], axis=1)
