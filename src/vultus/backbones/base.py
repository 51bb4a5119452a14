"""What all backbones share: the registry, what is published of each, the check of images."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from vultus.core.checks import check_positive_int
from vultus.core.errors import InputError
from vultus.core.registry import Registry


class Published(NamedTuple):
    """A figure that somebody else states.

    Attributes:
        value: A count: of parameters, or of multiply-adds for one image.
        source: Where it stands.
    """

    value: float
    source: str


@dataclass(frozen=True)
class BackboneInfo:
    """Where a backbone comes from and what is published of it, for the table.

    Attributes:
        paper: Authors, short title, venue and year.
        arxiv: arXiv number, or None where there is none at hand.
        parameters: Published number of parameters, or None.
        macs: Published multiply-adds of one image, or None.
        note: Why our count differs, and what else is worth knowing; "" if nothing.
    """

    paper: str
    arxiv: str | None = None
    parameters: Published | None = None
    macs: Published | None = None
    note: str = ""


class Backbone(nn.Module, ABC):
    """A network from crops to features: (b, 3, h, w) -> (b, dim).

    Args:
        dim: Length of a feature.
        input_hw: Height and width of the images, in pixels.

    Attributes:
        dim: Length of a feature.
        input_hw: Height and width of the images, in pixels.
    """

    def __init__(self, *, dim: int, input_hw: tuple[int, int]) -> None:
        super().__init__()
        self.dim = check_positive_int("dim", dim)
        self.input_hw = check_input_hw(input_hw)

    def forward(self, images: Tensor) -> Tensor:
        """Features of a batch of images.

        Args:
            images: (b, 3, h, w) floating RGB, normalised (mean about 0, range about [-1, 1]), in
                either memory format; h and w are ``input_hw``.

        Returns:
            (b, dim) floating, not normalised; of the autocast dtype under autocast.

        Raises:
            InputError: If dtype or shape do not match.
        """
        check_images(images, input_hw=self.input_hw)
        return self.compute(images)

    @abstractmethod
    def compute(self, images: Tensor) -> Tensor:
        """The network itself, on checked images.

        Args:
            images: (b, 3, h, w) floating, h and w as ``input_hw``.
        """


BACKBONES: Registry[Backbone] = Registry("backbones")
"""Every backbone by name: ``BACKBONES.create(name, dim=..., input_hw=..., **settings)``."""

BACKBONE_INFO: dict[str, BackboneInfo] = {}
"""What is known of each backbone in `BACKBONES`, by the same name."""

BackboneFactory = TypeVar("BackboneFactory", bound=Callable[..., Backbone])


def register_backbone(
    name: str, info: BackboneInfo
) -> Callable[[BackboneFactory], BackboneFactory]:
    """Decorator that adds a backbone to `BACKBONES` and its description to `BACKBONE_INFO`.

    The factory must work without arguments and take at least ``dim`` and ``input_hw``.

    Raises:
        RegistryError: If the name is taken.
    """

    def add(factory: BackboneFactory) -> BackboneFactory:
        BACKBONES.register(name)(factory)
        BACKBONE_INFO[name] = info
        return factory

    return add


def check_input_hw(
    input_hw: tuple[int, int], *, minimum: int = 1, multiple: int = 1
) -> tuple[int, int]:
    """Check a height and a width in pixels, and return them as a tuple of two ints.

    Args:
        input_hw: Height and width.
        minimum: Least length of either that the network works with.
        multiple: Number that both must be divisible by.

    Raises:
        InputError: If not.
    """
    lengths: list[Any] = list(input_hw)
    fits = len(lengths) == 2 and all(
        type(length) is int and length >= minimum and length % multiple == 0 for length in lengths
    )
    if not fits:
        divisible = f" divisible by {multiple}" if multiple > 1 else ""
        raise InputError(
            f"input_hw must be (height, width), two integers of at least {minimum}{divisible}, "
            f"got {input_hw!r}"
        )
    height, width = input_hw
    return height, width


def check_images(images: Tensor, *, input_hw: tuple[int, int]) -> None:
    """Check that images are a floating (b, 3, h, w) tensor of this height and width.

    Nothing is checked while `torch.jit` traces (for ONNX): lengths are no numbers then.

    Raises:
        InputError: If not.
    """
    if torch.jit.is_tracing():  # type: ignore[attr-defined,no-untyped-call]
        return
    height, width = input_hw
    fits = images.ndim == 4 and images.shape[1:] == (3, height, width)
    if not fits or not images.is_floating_point():
        raise InputError(
            f"images must be floating of shape (b, 3, {height}, {width}), "
            f"got {images.dtype} of shape {tuple(images.shape)}: normalise and resize them, or "
            "make the backbone with their input_hw"
        )
