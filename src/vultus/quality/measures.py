"""Everything that is measured on faces, as one struct of arrays."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.alignment.align import align_faces
from vultus.core.checks import check_array
from vultus.core.crops import AlignedCrops
from vultus.core.embeddings import Embeddings
from vultus.core.errors import InputError
from vultus.core.faces import Faces, Image
from vultus.core.rows import Rows, freeze_arrays
from vultus.quality.appearance import (
    BLUR_TAPS,
    CROP_PX,
    contrast,
    face_ellipse,
    face_masks,
    luminance,
    luminance_mean,
    over_exposure,
    sharpness,
    under_exposure,
)
from vultus.quality.occlusion import guess_occlusion
from vultus.quality.score import combined_score, trusted_score
from vultus.quality.trust import Trust

Floats = npt.NDArray[np.float32]

QUALITY_TEMPLATE = "arcface-112"
"""Of the crops that the measures are defined on."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceQuality(Rows):
    """Measures of n faces; all arrays are (n,) float32.

    The names follow ISO/IEC 29794-5 where it has the quantity; the values are Vultus's own and
    not the standard's 0 to 100 components.

    Attributes:
        sharpness: In [0, 1], at the crop's size; see `vultus.quality.appearance.sharpness`.
        luminance_mean: Mean luminance of the face in [0, 1].
        under_exposure: Share of the face that is nearly black, in [0, 1].
        over_exposure: Share of the face that is nearly white, in [0, 1].
        contrast: Standard deviation of the face's luminance, in [0, 0.5].
        inter_eye_distance: Between the eye landmarks, in pixels of the photo.
        face_size_px: Square root of the area of the box inside the photo, in its pixels.
        yaw_deg: A rough estimate; positive when facing to the own left. See
            `vultus.quality.measures.head_pose` for how good it is.
        pitch_deg: A rough estimate; positive when looking down.
        roll_deg: Positive when tilted towards the own right shoulder.
        occlusion: A guess in [0, 1]; see `vultus.quality.occlusion.guess_occlusion` for what it
            can and cannot see.
        cut_off: Share of the face that lies beyond the photo's edge, in [0, 1].
        score: In one number in [0, 1] what predicts whether the face is recognised: the measures'
            `vultus.quality.score.combined_score`; after `with_trust` the norm and the trust head's
            `vultus.quality.score.trusted_score`, which predicts it better.
        norm: Length of the embedding before normalising, or None. Its scale belongs to the
            model.
        trust: Score of the model's trust head in [0, 1], or None where there is none; low where
            strangers whose photos were spoiled alike begin to resemble each other.
        stretch: The trust head's guess of width over height as it should be, or None.
        damage: The trust head's guess of what was done to the photo, were it damaged: (n,) text,
            or None.

    Raises:
        InputError: If an array has another dtype or shape.
    """

    sharpness: Floats
    luminance_mean: Floats
    under_exposure: Floats
    over_exposure: Floats
    contrast: Floats
    inter_eye_distance: Floats
    face_size_px: Floats
    yaw_deg: Floats
    pitch_deg: Floats
    roll_deg: Floats
    occlusion: Floats
    cut_off: Floats
    score: Floats
    norm: Floats | None = None
    trust: Floats | None = None
    stretch: Floats | None = None
    damage: npt.NDArray[Any] | None = None

    def __post_init__(self) -> None:
        shape = (len(self.score),)
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None and field.name in ("norm", "trust", "stretch"):
                continue
            if field.name == "damage":
                continue
            check_array(field.name, value, dtype=np.float32, shape=shape)
        freeze_arrays(self)

    def with_norms(self, embeddings: Embeddings) -> "FaceQuality":
        """The same measures with the norms of the faces' embeddings filled in.

        Args:
            embeddings: One row a face, in the same order.

        Raises:
            InputError: If embeddings and faces are not equally many.
        """
        if len(embeddings) != len(self):
            raise InputError(f"embeddings must be {len(self)}, one a face, got {len(embeddings)}")
        return dataclasses.replace(self, norm=embeddings.norms)

    def with_trust(self, trust: Trust) -> "FaceQuality":
        """The same measures with what a trust head says, and the score by it.

        Args:
            trust: One row a face, in the same order.

        Raises:
            InputError: If faces and rows are not equally many.
        """
        if len(trust) != len(self):
            raise InputError(f"trust must be of {len(self)} faces, got {len(trust)}")
        return dataclasses.replace(
            self,
            score=trusted_score(trust.strength, trust.score),
            trust=trust.score,
            stretch=trust.stretch,
            damage=trust.damage,
        )

    def to_dicts(self) -> list[dict[str, float]]:
        """One plain dict a face, for JSON; numbers only, and those that somebody filled in."""
        arrays = {name: values for name, values in self._arrays().items() if name != "damage"}
        return [
            {name: round(float(values[row]), 4) for name, values in arrays.items()}
            for row in range(len(self))
        ]


def measure_quality(image: Image, faces: Faces, crops: AlignedCrops) -> FaceQuality:
    """Measure the faces of one photo.

    Args:
        image: (h, w, 3) uint8, RGB: the photo.
        faces: Its faces.
        crops: The same faces aligned. Crops of another template than arcface-112 are aligned to
            it here once more: the measures are defined on that template.

    Returns:
        One row a face, in the order of ``faces``; ``norm`` is None.

    Raises:
        InputError: If an argument has another dtype or shape, faces and crops are not equally
            many, or a face that has to be aligned has degenerate landmarks.
    """
    check_array("image", image, dtype=np.uint8, shape=("h", "w", 3))
    if len(crops) != len(faces):
        raise InputError(f"crops must be {len(faces)}, one a face, got {len(crops)}")
    if crops.template != QUALITY_TEMPLATE:
        crops = align_faces(image, faces, template=QUALITY_TEMPLATE)
    if crops.size_hw != (CROP_PX, CROP_PX):
        height, width = crops.size_hw
        raise InputError(
            f"crops of {QUALITY_TEMPLATE} must be {CROP_PX} x {CROP_PX} pixels, "
            f"got {height} x {width}"
        )
    image_hw = (image.shape[0], image.shape[1])
    luma = luminance(crops.pixels)
    # Interpolation and re-blurring mix in the black beyond the photo's edge; stay away from there.
    shown = face_masks(crops, image_hw, margin_px=BLUR_TAPS // 2 + 1)
    inside = face_masks(crops, image_hw).sum(axis=(1, 2))
    yaw, pitch, roll = head_pose(faces.landmarks).T
    return _scored(
        sharpness=sharpness(luma, shown),
        luminance_mean=luminance_mean(luma, shown),
        under_exposure=under_exposure(luma, shown),
        over_exposure=over_exposure(luma, shown),
        contrast=contrast(luma, shown),
        inter_eye_distance=faces.inter_eye_distances,
        face_size_px=np.sqrt(faces.cut_to(image_hw).areas),
        yaw_deg=yaw,
        pitch_deg=pitch,
        roll_deg=roll,
        occlusion=guess_occlusion(crops.pixels, shown),
        cut_off=np.asarray(1 - inside / face_ellipse().sum(), np.float32),
    )


def _scored(**measures: Floats) -> FaceQuality:
    named: dict[str, Any] = {**measures, "score": combined_score(measures)}
    return FaceQuality(**named)


MEAN_FACE_MM: npt.NDArray[np.float64] = np.array(
    [
        [-31.5, 0.0, 0.0],
        [31.5, 0.0, 0.0],
        [0.0, 36.1, 18.8],
        [-27.2, 59.7, -10.7],
        [27.2, 59.7, -10.7],
    ]
)
"""(5, 3) float64: a mean face in the order of `LANDMARK_NAMES`; x to the image's right, y down,
z towards the camera, in millimetres at an eye distance of 63 mm. Fitted to YuNet's landmarks on
2,484 development faces (least reprojection error under scaled orthography), turned so that the
median photo has pitch 0."""


def head_pose(landmarks: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Yaw, pitch and roll by fitting a mean face under scaled orthography.

    A rough guide, not a measurement. In a simulation with 1 px of landmark noise at an eye
    distance of 35 px and faces whose points differ from the mean by 2.5 mm, the error was 7 to 8
    degrees root mean square in yaw and pitch; the accuracy on real photos is not measured.
    Detectors place hidden points of a profile too near to the visible ones, so large yaw reads
    too small. Pitch also answers to a long or short nose; its zero is the usual photo, not a
    level head. Roll is good to the landmarks' own precision.

    Args:
        landmarks: (n, 5, 2) float32, ``x y`` in pixels.

    Returns:
        (n, 3) float32, degrees: yaw, positive when the person faces to their own left (the nose
        moves to the image's right), in [-90, 90]; pitch, positive when looking down; roll,
        positive when the head is tilted towards its own right shoulder (anticlockwise in the
        image). The rotation is roll after yaw after pitch.

    Raises:
        InputError: If ``landmarks`` has another dtype or shape, or is not finite.
    """
    check_array("landmarks", landmarks, dtype=np.float32, shape=("n", 5, 2))
    model = MEAN_FACE_MM - MEAN_FACE_MM.mean(axis=0)
    points = landmarks.astype(np.float64)
    points -= points.mean(axis=1, keepdims=True)
    affine = np.einsum("npi,jp->nij", points, np.linalg.pinv(model))
    # The nearest matrix with orthonormal rows is the camera's first two rows (scale dropped).
    left, _, right = np.linalg.svd(affine, full_matrices=False)
    rows = left @ right
    depth = np.cross(rows[:, 0], rows[:, 1])
    yaw = np.arcsin(np.clip(-depth[:, 0], -1, 1))
    pitch = np.arctan2(-depth[:, 1], depth[:, 2])
    roll = np.arctan2(-rows[:, 1, 0], rows[:, 0, 0])
    return np.asarray(np.degrees(np.stack([yaw, pitch, roll], axis=1)), np.float32)
