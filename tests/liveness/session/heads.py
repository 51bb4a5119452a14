"""Heads and photos that are computed: landmarks and pictures of both, turned as one likes."""

import numpy as np
import numpy.typing as npt

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.faces import Image
from vultus.liveness.session.session import Seen

HEAD = np.array(
    [
        [-0.5, 0.0, 0.0],
        [0.5, 0.0, 0.0],
        [0.0, 0.57, -0.5],
        [-0.415, 1.155, 0.0],
        [0.415, 1.155, 0.0],
    ]
)
"""Right eye, left eye, nose and mouth in distances of the eyes; z goes away from the camera."""
SPACE = EmbeddingSpace("heads", "0" * 64, "none", 8)
Points = npt.NDArray[np.float32]


def rotation(yaw_deg: float, pitch_deg: float, roll_deg: float) -> npt.NDArray[np.float64]:
    """Turned to the person's left, chin down, tilted to their left shoulder."""
    y, p, r = np.radians([yaw_deg, pitch_deg, roll_deg])
    about_y = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_x @ about_y, np.float64)


def landmarks(
    yaw_deg: float = 0,
    pitch_deg: float = 0,
    roll_deg: float = 0,
    *,
    px: float = 40,
    flat: bool = False,
) -> Points:
    """(5, 2) of a head, or of a flat photo of it, in a picture of 240 x 240."""
    points = HEAD * ([1, 1, 0] if flat else [1, 1, 1]) - [0, 0.5, 0]
    turned = points @ rotation(yaw_deg, pitch_deg, roll_deg).T
    return (turned[:, :2] * px + 120).astype(np.float32)


def picture(
    yaw_deg: float = 0,
    pitch_deg: float = 0,
    roll_deg: float = 0,
    *,
    px: float = 40,
    flat: bool = False,
) -> Image:
    """A textured half ball with a nose, or a photo of it: (240, 240, 3), as turned."""
    turned = rotation(yaw_deg, pitch_deg, roll_deg)
    rows, columns = np.mgrid[0:240, 0:240]
    at = np.stack([(columns - 120) / px, (rows - 120) / px], axis=-1)
    x, y = np.zeros(at.shape[:2]), np.zeros(at.shape[:2])
    for _ in range(30):  # which place of the surface comes to lie here: by fixed points
        z = np.zeros_like(x) if flat else _depth(x, y)
        left = at - np.stack([turned[0, 2] * z, turned[1, 2] * z], axis=-1)
        x, y = np.moveaxis(left @ np.linalg.inv(turned[:2, :2]).T, -1, 0)
    grey = (
        128
        + 40 * np.sin(9 * x) * np.cos(8 * y)
        + 30 * np.sin(23 * x + 17 * y)
        + 20 * np.cos(15 * y - 4 * x)
    )
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def _depth(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    ball = 1.1 * np.sqrt(np.clip(1 - (x / 1.4) ** 2 - (y / 1.8) ** 2, 0.05, None))
    return 0.9 - ball - 0.25 * np.exp(-((x / 0.2) ** 2 + (y / 0.3) ** 2) / 2)


def person(number: int = 0) -> Embeddings:
    """Somebody; another number is somebody else."""
    vector = np.zeros((1, 8), np.float32)
    vector[0, number] = 1
    return Embeddings(vector, np.ones(1, np.float32), SPACE)


def seen(
    time_s: float, points: Points | None, image: Image, *, who: int = 0, faces: int = 1
) -> Seen:
    """A frame as a session takes it."""
    return Seen(
        time_s=time_s,
        image=image,
        n_faces=faces if points is not None else 0,
        landmarks=points,
        embedding=None if points is None else person(who),
    )
