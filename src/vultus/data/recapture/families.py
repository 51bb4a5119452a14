"""Imitations of prints and screens, by name."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.core.text import unknown_name
from vultus.data.recapture.effects import (
    Pixels,
    bands,
    gratings,
    halftone,
    narrowed_gamut,
    paper,
    photographed,
    posterised,
    reflection,
    subpixel_moire,
)

_Generator = np.random.Generator

_OFF = 0.15
"""What a dark stripe of a screen still lets through."""


def _striped() -> Pixels:
    """One red, one green, one blue stripe a cell."""
    layout = np.full((3, 3, 3), _OFF, np.float32)
    for colour in range(3):
        layout[:, colour, colour] = 1
    layout[2] *= 0.6  # the dark line between rows
    return layout


def _diamond() -> Pixels:
    """Green in every half cell, red and blue in turns, as phones' screens have it."""
    layout = np.full((4, 4, 3), _OFF, np.float32)
    layout[0, 1, 1] = layout[0, 3, 1] = layout[2, 1, 1] = layout[2, 3, 1] = 1.6
    layout[1:3, 0, 0] = layout[1:3, 2, 2] = 1.6
    return layout


def screen_striped(pixels: Pixels, rng: _Generator) -> Pixels:
    """A monitor: stripes that beat with the sensor, a black that shines, at times a reflection."""
    shown = narrowed_gamut(
        pixels,
        saturation=rng.uniform(0.7, 1.0),
        black=rng.uniform(0.02, 0.1),
        white=_white(rng, blue=1.0),
    )
    shown = subpixel_moire(
        shown, _striped(), pitch=rng.uniform(0.7, 1.3), angle_rad=rng.uniform(-0.1, 0.1)
    )
    if rng.random() < 0.4:
        shown = reflection(shown, rng, strength=rng.uniform(0.1, 0.5))
    return photographed(shown, rng, blur_px=rng.uniform(0, 0.6), noise=rng.uniform(0, 0.02))


def screen_diamond(pixels: Pixels, rng: _Generator) -> Pixels:
    """A phone: another grid, strong colours, bands where the shutter rolls."""
    shown = narrowed_gamut(
        pixels, saturation=rng.uniform(1.0, 1.35), black=0.0, white=_white(rng, blue=1.05)
    )
    shown = subpixel_moire(
        shown, _diamond(), pitch=rng.uniform(0.9, 1.8), angle_rad=rng.uniform(-0.12, 0.12)
    )
    if rng.random() < 0.6:
        depth, period = rng.uniform(0.05, 0.25), rng.uniform(0.15, 0.7)
        shown = bands(shown, rng, depth=depth, period_share=period, soft=True)
    return photographed(shown, rng, blur_px=rng.uniform(0, 0.6), noise=rng.uniform(0, 0.02))


def screen_waves(pixels: Pixels, rng: _Generator) -> Pixels:
    """A screen as its moire alone: bent waves, steps of colour, a reflection."""
    shown = narrowed_gamut(
        pixels,
        saturation=rng.uniform(0.8, 1.2),
        black=rng.uniform(0, 0.06),
        white=_white(rng, blue=1.0),
    )
    shown = posterised(shown, levels=int(rng.integers(16, 64)))
    shown = gratings(shown, rng, depth=rng.uniform(0.04, 0.2), period_px=rng.uniform(2.5, 14))
    if rng.random() < 0.5:
        shown = reflection(shown, rng, strength=rng.uniform(0.1, 0.5))
    return photographed(shown, rng, blur_px=rng.uniform(0, 0.5), noise=rng.uniform(0, 0.02))


def print_inkjet(pixels: Pixels, rng: _Generator) -> Pixels:
    """Paper from a desk printer: pale, with lines of its head, bent."""
    printed = narrowed_gamut(
        pixels,
        saturation=rng.uniform(0.45, 0.8),
        black=rng.uniform(0.08, 0.22),
        white=_white(rng, blue=0.93),
    )
    depth, period = rng.uniform(0.02, 0.12), rng.uniform(0.02, 0.08)
    printed = bands(printed, rng, depth=depth, period_share=period, soft=False)
    printed = paper(printed, rng, grain=rng.uniform(0.01, 0.04), curl=rng.uniform(0, 0.3))
    return photographed(printed, rng, blur_px=rng.uniform(0.3, 1.0), noise=rng.uniform(0, 0.02))


def print_halftone(pixels: Pixels, rng: _Generator) -> Pixels:
    """A magazine: dots, pale inks, gloss."""
    printed = narrowed_gamut(
        pixels,
        saturation=rng.uniform(0.6, 0.95),
        black=rng.uniform(0.05, 0.15),
        white=_white(rng, blue=0.95),
    )
    printed = halftone(
        printed, rng, period_px=rng.uniform(2.2, 5), depth=float(rng.uniform(0.2, 0.7))
    )
    printed = paper(printed, rng, grain=rng.uniform(0, 0.02), curl=rng.uniform(0, 0.2))
    if rng.random() < 0.5:
        printed = reflection(printed, rng, strength=rng.uniform(0.1, 0.4))
    return photographed(printed, rng, blur_px=rng.uniform(0.2, 0.8), noise=rng.uniform(0, 0.02))


def _white(rng: _Generator, *, blue: float) -> Pixels:
    """Where white comes to lie: a light of its own, bluish or yellowish."""
    level = rng.uniform(0.8, 1.0)
    return np.asarray([level * rng.uniform(0.95, 1.02), level, level * blue], np.float32)


RECAPTURES: Mapping[str, Callable[[Pixels, _Generator], Pixels]] = MappingProxyType(
    {
        "print-halftone": print_halftone,
        "print-inkjet": print_inkjet,
        "screen-diamond": screen_diamond,
        "screen-striped": screen_striped,
        "screen-waves": screen_waves,
    }
)
"""By name; each takes and gives (h, w, 3) float32 in [0, 1]."""


def recaptured(image: Image, family: str, rng: _Generator) -> Image:
    """A photo as if it had been printed or shown, and photographed again.

    Args:
        image: (h, w, 3) uint8, RGB; not changed.
        family: A name of `RECAPTURES`.
        rng: Draws how.

    Returns:
        (h, w, 3) uint8, RGB.

    Raises:
        InputError: If there is no such family.
    """
    if family not in RECAPTURES:
        raise InputError(f"there is no imitation {unknown_name(family, list(RECAPTURES))}")
    pixels = np.asarray(image / 255, np.float32)
    changed = RECAPTURES[family](pixels, rng)
    return np.asarray(np.clip(changed * 255 + 0.5, 0, 255), np.uint8)
