"""Do the training crops show faces where the recipe's template has them? A sample is looked at."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.alignment.align import similarity_transforms
from vultus.alignment.crop_templates import LandmarkTemplate, crop_template
from vultus.core.errors import ImageError, VultusError
from vultus.core.faces import Image
from vultus.core.geometry import invert_transform
from vultus.data.base import FaceDataset
from vultus.data.loading.sizing import resized
from vultus.detection.base import Detector
from vultus.detection.mtcnn.detector import MtcnnDetector
from vultus.training.recipe.recipe import Recipe

_MOST_PX = 4.0
"""Crops of seven public sets that were aligned by another detector's landmarks (YuNet's) lie 1.4 to
2.9 px off in the median; moved by 5 px, turned by 10 degrees or a fifth too small, 4.8 to 6.1."""

_MOST_FACELESS = 0.25
"""Share of crops without a face. The same sets have up to 0.02; lying on their side, 0.81."""


@dataclass(frozen=True, slots=True)
class CropAlignment:
    """Where the faces of some crops lie, compared with a template.

    The template is laid onto a crop's five landmarks as well as a similarity can; how far its
    places have moved by that is the residual. What is left, the shape of the face and its pose,
    does not count: a crop in profile that was aligned has a small residual, too.

    Attributes:
        template: Name of the template.
        crops: How many were looked at.
        faceless: How many of them show no face.
        residuals_px: (crops - faceless,) float32: mean over the five places, in pixels of the
            template; (0,) for a template without landmarks.
        scale: Size of the faces, of that in the template; median, as the next two; NaN for none.
        turn_deg: Their rotation, clockwise as one sees it.
        shift_px: Their place ``x y`` less that in the template, in pixels of it.
    """

    template: str
    crops: int
    faceless: int
    residuals_px: npt.NDArray[np.float32]
    scale: float
    turn_deg: float
    shift_px: tuple[float, float]


def alignment_notes(recipe: Recipe, dataset: FaceDataset) -> list[str]:
    """What a sample of the training crops says about their alignment; warnings begin so.

    Faces made by code are not looked at, nor is what ``data.non_faces`` names.

    Args:
        recipe: Its ``input.template``, and ``run.alignment_sample`` crops, drawn by its seed.
        dataset: The training faces.
    """
    if recipe.data.root is None or recipe.run.alignment_sample == 0:
        return []
    faces = np.array([name != recipe.data.non_faces for name in dataset.identities], np.bool_)
    known = dataset.labels >= 0
    rows = np.flatnonzero(~known | faces[dataset.labels])
    generator = np.random.default_rng(recipe.run.seed)
    chosen = generator.permutation(rows)[: recipe.run.alignment_sample]
    try:
        images = list(_readable(dataset, sorted(chosen.tolist())))
        # One thread, without a pool of its own, beside which workers can be forked.
        detector = MtcnnDetector(min_face_px=40, runtime="onnxruntime", threads=1)
        return _notes(measure_alignment(images, recipe.input.template, detector=detector))
    except VultusError as error:  # no reason to refuse a training that does without
        return [f"the crops' alignment could not be looked at: {error}"]


def measure_alignment(
    images: Iterable[Image], template: str, *, detector: Detector
) -> CropAlignment:
    """Find the face of every crop and compare its place with the template.

    Args:
        images: (h, w, 3) uint8 RGB each; they are brought to the template's size, as in training.
        template: A name in `vultus.alignment.crop_templates.TEMPLATES`.
        detector: Looks at them; of several faces the largest counts.

    Raises:
        InputError: If the template is unknown, or a face's landmarks lie in one place.
        ModelError: If the detector fails.
    """
    chosen = crop_template(template)
    found = detector.detect_batch([resized(image, chosen.size_hw) for image in images])
    seen = [faces.cut_to(chosen.size_hw) for faces in found if len(faces)]
    largest = [faces.landmarks[faces.largest()] for faces in seen]
    faceless = len(found) - len(largest)
    if not isinstance(chosen, LandmarkTemplate) or not largest:
        nothing = np.zeros(0, np.float32)
        nan = float("nan")
        return CropAlignment(template, len(found), faceless, nothing, nan, nan, (nan, nan))
    maps = similarity_transforms(np.stack(largest), chosen.points)
    placed = np.stack([invert_transform(one) for one in maps]).astype(np.float64)
    moved = chosen.points @ placed[:, :, :2].transpose(0, 2, 1) + placed[:, None, :, 2]
    offsets = moved - chosen.points
    x, y = np.median(offsets.mean(axis=1), axis=0).tolist()
    return CropAlignment(
        template,
        len(found),
        faceless,
        residuals_px=np.linalg.norm(offsets, axis=2).mean(axis=1).astype(np.float32),
        scale=float(np.median(np.hypot(placed[:, 0, 0], placed[:, 1, 0]))),
        turn_deg=float(np.median(np.degrees(np.arctan2(placed[:, 1, 0], placed[:, 0, 0])))),
        shift_px=(x, y),
    )


def _readable(dataset: FaceDataset, indices: Iterable[int]) -> Iterable[Image]:
    for index in indices:
        try:
            yield dataset.image(index)
        except ImageError:  # counted, and reported, when batches are read
            continue


def _notes(found: CropAlignment) -> list[str]:
    notes = []
    if found.faceless > _MOST_FACELESS * found.crops:
        notes.append(
            f"warning: no face is found in {found.faceless} of {found.crops} training crops; look "
            "at some of them: is data.root right, and are they aligned and upright?"
        )
    if not len(found.residuals_px):
        return notes
    median = float(np.median(found.residuals_px))
    text = (
        f"faces of {len(found.residuals_px)} training crops lie {median:.1f} px (median) from "
        f"their places in {found.template}"
    )
    if median <= _MOST_PX:
        return [*notes, text]
    way = "clockwise" if found.turn_deg > 0 else "counterclockwise"
    return [
        *notes,
        f"warning: {text}, more than {_MOST_PX:g}: {found.scale:.2f} times the size, turned by "
        f"{abs(found.turn_deg):.0f} degrees {way}, shifted by "
        f"({found.shift_px[0]:.0f}, {found.shift_px[1]:.0f}) px; align the photos with `vultus "
        "data align`, or name the crops' own template in input.template",
    ]
