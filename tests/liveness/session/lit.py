"""A computed head before a wall, in a room whose light a screen adds to."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from tests.liveness.session.heads import landmarks, picture

from vultus.core.faces import Image
from vultus.liveness.session.lights import SCREEN_RGB, Light

POINTS = landmarks(px=24)
"""Of the head, (5, 2)."""
Lit = Callable[[Light | None, np.random.Generator], Image]


def _scene() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Albedo (240, 240, 3) of a head before a wall, and where the head is."""
    rows, columns = np.mgrid[0:240, 0:240]
    head = ((columns - 120) / 34) ** 2 + ((rows - 118) / 44) ** 2 < 1
    skin = picture(px=24)[..., :1] / 255 * 0.3 + 0.3
    albedo = np.where(head[..., None], skin * [1.0, 0.7, 0.55], [0.4, 0.45, 0.5])
    return albedo, head


ALBEDO, HEAD = _scene()


def screen(*, share: float = 0.08, wall: float = 0.01, noise: float = 2.0) -> Lit:
    """A room whose light a screen adds to: so much on the head, so much on the wall."""

    def shown(light: Light | None, rng: np.random.Generator) -> Image:
        added = np.zeros(3) if light is None else (np.array(SCREEN_RGB[light]) / 255) ** 2.2
        at = np.where(HEAD, share, wall)[..., None]
        balance = rng.uniform(0.9, 1.1, 3) * rng.uniform(0.8, 1.2)  # the camera's own mind
        linear = ALBEDO * (np.array([0.9, 0.8, 0.7]) + at * added) * balance * 0.8
        noisy = 255 * np.clip(linear, 0, 1) ** (1 / 2.2) + rng.normal(0, noise, ALBEDO.shape)
        return np.clip(noisy, 0, 255).astype(np.uint8)

    return shown
