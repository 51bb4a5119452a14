"""Mixup: two images of a batch laid over one another."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vultus.core.checks import check_range
from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.data.augmentation.base import AUGMENTATIONS


@AUGMENTATIONS.register("mixup")
@dataclass(frozen=True, slots=True)
class Mixup:
    """Mix an image with another of its batch (Zhang et al., ICLR 2018, arXiv:1710.09412).

    For distillation, where teacher and student see the same mixture and no label is asked for
    (Beyer et al., CVPR 2022, arXiv:2106.05237): a mixture shows nobody. It needs the whole batch,
    so only `vultus.data.augmentation.on_device` can do it.

    Attributes:
        alpha: Both parameters of the Beta distribution of an image's share, in (0, 1000]; 1 draws
            shares evenly, less keeps most mixtures near one of the two images.
    """

    needs_batch: ClassVar[bool] = True

    alpha: float = 1.0

    def __post_init__(self) -> None:
        check_range("alpha", self.alpha, low=0, high=1000, low_open=True)

    def __call__(self, image: Image, generator: np.random.Generator) -> Image:
        """Refuse: one image has no other to be mixed with.

        Raises:
            InputError: Always.
        """
        raise InputError("mixup needs a whole batch: set data.on_device = true")
