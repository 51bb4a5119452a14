"""A sequence of augmentations, each with a probability, as a recipe states it."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vultus.core.checks import check_array, check_range
from vultus.core.errors import ConfigError, InputError, RegistryError
from vultus.core.faces import Image
from vultus.core.settings_reader import TakesRest, read
from vultus.core.text import unknown_name
from vultus.data.augmentation.base import AUGMENTATIONS, Transform


@dataclass(frozen=True, slots=True)
class AugmentationStep:
    """One augmentation of a sequence.

    Attributes:
        transform: What is done.
        probability: How often, in [0, 1].
        shared: Of two views of an image, change both alike: the teacher sees it, too.

    Raises:
        InputError: If the probability is out of range.
    """

    transform: Transform
    probability: float
    shared: bool = False

    def __post_init__(self) -> None:
        check_range("probability", self.probability, low=0, high=1)


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Applies its steps in order, each with its probability.

    The same generator state gives the same image. Whether a step is applied is drawn before any
    step draws its settings, so that images do not change when a step's probability goes from
    1 to 0.999, and steps that are skipped cost nothing.

    Attributes:
        steps: In the order in which they are applied; none leaves every image as it is.

    Example:
        >>> tables = [{"name": "flip", "probability": 0.5}, {"name": "blur", "sigma_px": [1, 2]}]
        >>> augmentation = Augmentation.from_tables(tables)
        >>> [step.probability for step in augmentation.steps]
        [0.5, 1.0]
        >>> augmentation(np.zeros((112, 112, 3), np.uint8), np.random.default_rng(0)).shape
        (112, 112, 3)
    """

    steps: tuple[AugmentationStep, ...] = ()

    @classmethod
    def from_tables(cls, tables: Sequence[Mapping[str, Any]]) -> "Augmentation":
        """Build a sequence from a recipe's ``[[augment]]`` tables.

        Args:
            tables: One mapping a step: ``name``, a name in `AUGMENTATIONS`; ``probability`` in
                [0, 1], 1 if not given; ``shared``, false if not given; and that augmentation's
                settings.

        Raises:
            ConfigError: If a name or key is unknown (the message says the nearest), a name is
                missing, or a value is out of range.
        """
        return cls(tuple(_step(number, table) for number, table in enumerate(tables, 1)))

    def __call__(self, image: Image, generator: np.random.Generator) -> Image:
        """Augment one image.

        Args:
            image: (h, w, 3) uint8, RGB; not changed.
            generator: What every random number is drawn from.

        Returns:
            (h, w, 3) uint8; the image itself where no step was applied.

        Raises:
            InputError: If the image is none.
        """
        check_array("image", image, dtype=np.uint8, shape=("h", "w", 3))
        for step in self._drawn(generator):
            image = step.transform(image, generator)
        return image

    def pair(self, image: Image, generator: np.random.Generator) -> tuple[Image, Image]:
        """Two views of one image: the student's, with every step, and the teacher's.

        Args:
            image: (h, w, 3) uint8, RGB; not changed.
            generator: As for a call; the first view is what a call gives.

        Returns:
            Both (h, w, 3) uint8; the second went through the shared steps alone.

        Raises:
            InputError: If the image is none.
        """
        check_array("image", image, dtype=np.uint8, shape=("h", "w", 3))
        clean = image
        for step in self._drawn(generator):
            if step.shared:
                state = generator.bit_generator.state
                clean = step.transform(clean, generator)
                generator.bit_generator.state = state
            image = step.transform(image, generator)
        return image, clean

    def _drawn(self, generator: np.random.Generator) -> list[AugmentationStep]:
        """The steps that this image goes through."""
        chances = generator.random(len(self.steps))
        pairs = zip(self.steps, chances, strict=True)
        return [step for step, chance in pairs if chance < step.probability]


@dataclass(frozen=True, kw_only=True)
class _Table(TakesRest):
    """A step as a recipe writes it."""

    name: str
    probability: float = 1.0
    shared: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)


def _step(number: int, values: Mapping[str, Any]) -> AugmentationStep:
    where = f"augment table {number} ({values.get('name', 'without a name')})"
    table = read(_Table, values, source=where)
    try:
        known = inspect.signature(AUGMENTATIONS.get(table.name)).parameters
        for key in table.settings:
            # The registry's own check would not think of the keys that every step has.
            if key not in known:
                keys = ["probability", "shared", *known]
                raise InputError(f"there is no key {unknown_name(key, keys)}")
        transform = AUGMENTATIONS.create(table.name, **table.settings)
        return AugmentationStep(transform, table.probability, shared=table.shared)
    except (InputError, RegistryError) as error:
        raise ConfigError(f"{where}: {error}") from None
