"""What a run trains and is checked on: the folder's crops, split."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vultus.core.errors import InputError
from vultus.core.progress import Progress
from vultus.pipeline.photos import ErrorHandler
from vultus.training.liveness.crops import check_near_copies, photo_crops
from vultus.training.liveness.photos import LIVE, ListedPhoto, list_photos
from vultus.training.liveness.recipe import LivenessRecipe
from vultus.training.liveness.split import Part, split_photos

CROPS_FOLDER = "crops"


@dataclass(frozen=True, slots=True, eq=False)
class PreparedPhotos:
    """Photos that can be judged, with their crops and parts.

    Attributes:
        photos: Those.
        pixels: (n, size, size, 3) uint8, RGB.
        parts: One a photo.
        split: What is never in two parts: ``person``, ``prefix`` or ``photo``.
        unanswered: How many photos of those who check cannot be judged, by kind.
    """

    photos: tuple[ListedPhoto, ...]
    pixels: npt.NDArray[np.uint8]
    parts: tuple[Part, ...]
    split: str
    unanswered: Mapping[str, int]

    @property
    def kinds(self) -> list[str]:
        """`LIVE`, then the species by name."""
        return [LIVE, *sorted({photo.kind for photo in self.photos} - {LIVE})]

    @property
    def digest(self) -> str:
        """Of which photos are where; equal for the same folder and split."""
        told = [
            [str(photo.path), photo.kind, photo.group, part]
            for photo, part in zip(self.photos, self.parts, strict=True)
        ]
        return hashlib.sha256(json.dumps(told).encode() + self.pixels.tobytes()).hexdigest()

    def rows(self, part: Part, kind: str) -> npt.NDArray[np.int64]:
        """(m,) places of the photos of one kind in one part."""
        return np.array(
            [
                place
                for place, photo in enumerate(self.photos)
                if photo.kind == kind and self.parts[place] == part
            ],
            np.int64,
        )

    def groups(self, part: Part) -> int:
        """How many people, or sessions, a part has."""
        return len({one.group for one, p in zip(self.photos, self.parts, strict=True) if p == part})


def prepare_photos(
    recipe: LivenessRecipe,
    folder: Path,
    *,
    progress: Progress | None = None,
    on_error: ErrorHandler | None = None,
) -> PreparedPhotos:
    """List the photos, cut the faces out, split them.

    Args:
        recipe: What of.
        folder: Of the run; crops are kept there.
        progress: Told how far it is.
        on_error: Told of photos that cannot be used.

    Raises:
        InputError: If the folder cannot be trained on; see `list_photos`, `split_photos`,
            `check_near_copies`.
        ImageError: If one of its folders holds no photo.
    """
    listed = list_photos(recipe.data)
    crops = photo_crops(
        listed.photos,
        recipe.crop,
        kept=folder / CROPS_FOLDER,
        progress=progress,
        on_error=on_error,
    )
    usable = np.flatnonzero(crops.usable)
    photos = [listed.photos[place] for place in usable]
    for kind in listed.kinds:  # a species of which none can be judged is not forgotten
        if not any(photo.kind == kind for photo in photos):
            place = "live/" if kind == LIVE else f"attack/{kind}/"
            raise InputError(
                f"none of the photos of {place} can be judged: no face is found, it is too small "
                f"for {recipe.crop.size_px} pixels, or less than half of {recipe.crop.context:g} "
                "times the face is on it; send whole photos, or lower crop.context or crop.size_px"
            )
    parts = split_photos(photos, recipe.data, seed=recipe.run.seed)
    pixels = crops.pixels[usable]
    check_near_copies(photos, pixels, parts, least=recipe.data.near_copy)
    checking = {one.group for one, part in zip(photos, parts, strict=True) if part == "held out"}
    unanswered = Counter(
        photo.kind
        for photo, is_usable in zip(listed.photos, crops.usable, strict=True)
        if not is_usable and photo.group in checking
    )
    return PreparedPhotos(tuple(photos), pixels, tuple(parts), listed.split, unanswered)
