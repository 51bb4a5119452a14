"""A data set of people who do not exist, drawn when they are asked for."""

from typing import Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_positive_int, check_range
from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.data.base import DATASETS, FaceDataset
from vultus.data.paint import landmark_template
from vultus.data.synthetic.conditions import draw_conditions
from vultus.data.synthetic.identity import SyntheticIdentity, draw_identity
from vultus.data.synthetic.render import SyntheticFace, render_face

Split = Literal["train", "validation", "test"]
"""Three sets of people who have nobody in common, whatever the seed."""

_PERSON, _CONDITIONS = 1, 2


@DATASETS.register("synthetic")
class SyntheticFaces(FaceDataset):
    """Aligned crops of people who do not exist: small, free of licences, always the same.

    An image depends on seed, split, its identity's number and its number within the identity, and
    on nothing else: with more identities or images the first ones stay as they were. Pixels may
    differ by rounding between versions of OpenCV and NumPy.

    Meant for tests, quick starts and for comparing losses; what is learnt here says nothing about
    real faces. The images of an identity are consecutive.

    Args:
        identities: Number of people.
        images: Number of images of each.
        seed: Other seeds show other people.
        split: Part of the people; two parts share nobody.
        difficulty: Variation within an identity, in [0, 2]: see `draw_conditions`.
        template: Name of a template with landmarks; crops have its size.
        keep: Draw each image once in a process and keep it in memory, read-only, 38 KB each at
            112 x 112.

    Raises:
        InputError: If an argument is out of range.

    Example:
        >>> faces = SyntheticFaces(identities=3, images=2)
        >>> len(faces), faces.labels.tolist(), faces.identities[2]
        (6, [0, 0, 1, 1, 2, 2], 'train-2')
        >>> faces.image(5).shape
        (112, 112, 3)
    """

    def __init__(
        self,
        *,
        identities: int = 200,
        images: int = 20,
        seed: int = 0,
        split: Split = "train",
        difficulty: float = 1.0,
        template: str = "arcface-112",
        keep: bool = False,
    ) -> None:
        count = check_positive_int("identities", identities)
        self._images = check_positive_int("images", images)
        self._seed = check_positive_int("seed", seed, minimum=0)
        if split not in get_args(Split):
            raise InputError(f"split must be one of {', '.join(get_args(Split))}, got {split!r}")
        self._split = split
        self._difficulty = check_range("difficulty", difficulty, low=0, high=2)
        self._template = landmark_template(template).name
        self._people: dict[int, SyntheticIdentity] = {}
        self._kept: dict[int, SyntheticFace] | None = {} if keep else None
        names = [f"{split}-{number}" for number in range(count)]
        super().__init__(np.repeat(np.arange(count), self._images), identities=names)

    def encoded(self, index: int) -> bytes:
        """The image as a PNG file."""
        bgr = cv2.cvtColor(self.image(index), cv2.COLOR_RGB2BGR)
        # Noise does not compress; the fastest level is hardly larger than the best.
        _, written = cv2.imencode(".png", bgr, (cv2.IMWRITE_PNG_COMPRESSION, 1))
        return written.tobytes()

    def image(self, index: int) -> Image:
        """The image, (h, w, 3) uint8 RGB, without encoding it."""
        return self._face(index).image

    def landmarks(self, index: int) -> npt.NDArray[np.float32]:
        """(5, 2) float32: where the landmarks really lie in the crop, in pixels."""
        return self._face(index).landmarks

    def person(self, label: int) -> SyntheticIdentity:
        """Measures and colours of an identity."""
        if label not in self._people:
            self._people[label] = draw_identity(self._generator(_PERSON, label, 0))
        return self._people[label]

    def source(self, index: int) -> str:
        """Split, identity and image number."""
        label, number = divmod(int(index), self._images)
        return f"synthetic {self.identities[label]} image {number} (seed {self._seed})"

    def _face(self, index: int) -> SyntheticFace:
        if not 0 <= index < len(self):
            raise IndexError(f"index must lie in [0, {len(self)}), got {index}")
        if self._kept is None:
            return self._drawn(index)
        if index not in self._kept:
            face = self._drawn(index)
            face.image.flags.writeable = False
            self._kept[index] = face
        return self._kept[index]

    def __getstate__(self) -> dict[str, object]:
        """Without what has been drawn: another process draws its own."""
        return {**self.__dict__, "_people": {}, "_kept": None if self._kept is None else {}}

    def _drawn(self, index: int) -> SyntheticFace:
        label, number = divmod(int(index), self._images)
        person = self.person(label)
        conditions = draw_conditions(
            self._generator(_CONDITIONS, label, number),
            difficulty=self._difficulty,
            glasses_habit=person.glasses,
        )
        return render_face(person, conditions, template=self._template)

    def _generator(self, purpose: int, label: int, number: int) -> np.random.Generator:
        # All five always: NumPy takes [1, 2] and [1, 2, 0] for the same seed.
        split = get_args(Split).index(self._split)
        return np.random.default_rng([self._seed, split, purpose, label, number])
