"""Everything behind and around the features: background, clothes, skull, ears, hair."""

import cv2
import numpy as np

from vultus.core.faces import Image
from vultus.data.paint import Points, smooth_outline
from vultus.data.synthetic.identity import HAIR_STYLES, Colour, SyntheticIdentity
from vultus.data.synthetic.scene import Scene, mirrored, shaded

CROWN_Y = -3.35
_TEMPLE_Y = -0.7
_NEAR_EAR_FROM_DEG = 12.0
"""From this yaw on the near ear lies before the face's outline."""

_ARCH = np.column_stack([np.cos(np.linspace(0, np.pi, 11)), -np.sin(np.linspace(0, np.pi, 11))])
_SHARES = np.linspace(0.1, 0.95, 4)[:, None]


def draw_background(size_hw: tuple[int, int], generator: np.random.Generator) -> Image:
    """(h, w, 3) uint8: soft clouds of random colours, calm or busy."""
    height, width = size_hw
    cells = int(generator.integers(2, 9))
    base = generator.uniform(20, 235) + generator.normal(0, 22, 3)
    spread = generator.uniform(3, 40)
    few = base + generator.normal(0, spread, (cells, cells, 3))
    small = np.clip(few, 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def hair_style(scene: Scene) -> str:
    """The usual style; on some days that of somebody else. Who is bald stays bald."""
    usual = scene.identity.hair_style
    if not scene.conditions.restyled or usual in ("bald", "receding"):
        return usual
    others = [style for style in HAIR_STYLES[2:] if style != usual]
    return others[scene.conditions.detail_seed % len(others)]


def draw_hair_behind(scene: Scene, style: str) -> None:
    """Shoulders and neck, and before them the hair that falls behind the face."""
    person, view = scene.identity, scene.view
    cloth: Colour = tuple(scene.details.uniform(10, 245, 3).tolist())
    shoulders = mirrored([[0.0, 4.6], [1.3, 4.4], [2.2, 4.9], [4.6, 5.6], [5.2, 9.0]])
    jaw = person.jaw_width * person.face_width
    neck = mirrored([[0.0, 2.0], [0.86 * jaw, 2.0], [0.9 * jaw, 4.6], [0.0, 5.3]])
    scene.fill(view.project(_at_depth(shoulders, -0.6)), cloth)
    if style in ("long", "curly"):
        width = person.face_width + person.hair_volume * scene.conditions.hair_scale
        length = 5.5 if style == "long" else 2.2
        behind = mirrored(
            [[0.0, CROWN_Y - 0.6], [0.8 * width, CROWN_Y], [1.12 * width, -1.0],
             [1.16 * width, 1.5], [1.05 * width, length], [0.0, length]]
        )  # fmt: skip
        scene.fill(
            view.project(_at_depth(behind * (view.widening, 1.0), -0.7)),
            shaded(person.hair, 0.75),
            smooth=4,
        )
    scene.fill(view.project(_at_depth(neck, -0.3)), shaded(person.skin, 0.78))


def draw_head(scene: Scene) -> None:
    """The face's outline and the ears, in the colour of the skin; the far ear is behind."""
    person, view = scene.identity, scene.view
    near = -1 if scene.conditions.yaw_deg > 0 else 1
    _draw_ear(scene, -near)
    outline = face_outline(person) * (view.widening, 1.0, 1.0)
    if abs(scene.conditions.yaw_deg) < _NEAR_EAR_FROM_DEG:
        _draw_ear(scene, near)
        near = 0
    scene.fill(smooth_outline(view.project(outline)), person.skin)
    scene.fold(view.project(outline[4:10] * (0.9, 0.96, 1.0)), 0.86, width=0.25)
    if near:
        _draw_ear(scene, near)


def _draw_ear(scene: Scene, side: int) -> None:
    person = scene.identity
    shape = np.array([[0.0, -0.5], [0.22, -0.62], [0.36, -0.2], [0.24, 0.45], [0.02, 0.7]])
    points = shape * (side, person.ear_size) + (side * 0.95 * person.face_width, 0.35)
    scene.fill(scene.view.project(_at_depth(points, -0.1)), shaded(person.skin, 0.9), smooth=3)


def draw_hair(scene: Scene, style: str) -> None:
    """The hair before the face, down to the hairline."""
    person, view = scene.identity, scene.view
    if style == "bald":
        return
    width, rise = person.face_width, person.hair_volume * scene.conditions.hair_scale
    # From the image's right temple over the crown to the left one, then back along the edge.
    over = _ARCH * (width + 0.1 + 0.4 * rise, _TEMPLE_Y - CROWN_Y + 0.2 + rise) + (0.0, _TEMPLE_Y)
    edge = _hairline(scene, style)
    points = np.concatenate(
        [
            view.project(_at_depth(over * (view.widening, 1.0), 0.0)),
            view.on_face(edge * (0.97, 1.0), lift=0.05),
        ]
    )
    scene.fill(points, person.hair)
    scene.fold(view.on_face(edge), 0.8, width=0.12)
    _draw_strands(scene, points, curly=style == "curly")


def face_outline(person: SyntheticIdentity) -> np.ndarray:
    """(14, 3): the silhouette, clockwise from the top."""
    w = person.face_width
    return mirrored(
        [[0.5 * w, CROWN_Y, 0.2], [0.9 * w, -2.1, 0.1], [w, -0.6, 0.0],
         [person.cheek_width * w, 0.9, 0.1],
         [person.jaw_width * w, 0.68 * person.chin_y, 0.4],
         [0.5 * (person.jaw_width + person.chin_width) * w, 0.87 * person.chin_y, 0.8],
         [person.chin_width * w, person.chin_y, 1.1]]
    )  # fmt: skip


def _hairline(scene: Scene, style: str) -> Points:
    """(k, 2) in head units, from the image's left temple to the right one."""
    person = scene.identity
    w, height = person.face_width, -person.hairline
    x = np.linspace(-1, 1, 13)
    if style == "receding":
        # A low middle between bare temples.
        y = height - 0.7 + 0.5 * np.exp(-((x / 0.3) ** 2)) + 1.1 * x**8
    elif style == "parted":
        y = height - 0.1 + 0.55 * np.minimum(1.0, np.abs(x - person.hair_part)) + 0.6 * x**6
    elif style == "fringe":
        y = np.full(13, -0.95) + 0.12 * scene.details.normal(size=13)
    elif style == "curly":
        y = height + 0.35 + 0.14 * scene.details.normal(size=13) + 0.5 * x**4
    else:
        y = height + 0.15 * x * person.hair_part + 0.65 * x**6
    y[[0, -1]] = -0.5 if style != "receding" else -0.9
    return np.column_stack([x * w, y])


def _draw_strands(scene: Scene, points: Points, *, curly: bool) -> None:
    """Lighter and darker lines within the hair's outline, from the crown outwards."""
    count = len(points) - 13
    top, edge = points[:count], points[count:]
    for step in scene.details.uniform(0, 1, 9):
        start = top[round(step * (count - 1))]
        end = edge[round((1 - step) * 12)]
        bend = scene.details.normal(0, 0.17 if curly else 0.06, (4, 2)) * scene.view.scale_px
        line = start + _SHARES * (end - start) + bend
        scene.fold(line, (0.72, 1.25)[scene.details.integers(2)], width=0.06)


def _at_depth(xy: Points, z: float) -> Points:
    return np.column_stack([xy, np.full(len(xy), z)])
