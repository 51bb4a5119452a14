"""What lies on a synthetic face's skin, or before it: folds, moles, freckles, beard, glasses."""

import cv2
import numpy as np

from vultus.data.paint import Plane, lay_over, outline, smooth_outline
from vultus.data.synthetic.identity import Colour
from vultus.data.synthetic.scene import Scene, shaded
from vultus.data.synthetic.view import mouth_half_width

_BEARD_FROM = 0.6
_FRECKLES_FROM = 0.7
_SQUARE = np.array([[0.0, -1.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
_CIRCLE = np.column_stack(
    [np.cos(np.linspace(0, 2 * np.pi, 13)[:-1]), np.sin(np.linspace(0, 2 * np.pi, 13)[:-1])]
)


def draw_folds(scene: Scene) -> None:
    """Folds from nose to mouth, which smiling deepens, and lines of the forehead."""
    person, how, view = scene.identity, scene.conditions, scene.view
    depth = 0.5 * person.age + 0.3 * max(0.0, how.smile)
    half = mouth_half_width(person, how)
    for side in (-1, 1):
        fold = [
            [side * 1.15 * person.nose_width, person.nose_length - 0.05],
            [side * 1.0, 0.5 * (person.nose_length + person.mouth_y)],
            [side * (half + 0.22), person.mouth_y + 0.1],
        ]
        scene.fold(view.on_face(fold), 1 - 0.45 * depth, width=0.1)
        cheek = _CIRCLE * (0.4, 0.3) + (side * 1.3, 1.15)
        scene.dent(view.on_face(cheek), 1.06)
    frown = max(0.0, how.brow_raise) * 0.4 + max(0.0, person.age - 0.4)
    for height in (1.35, 1.65) if frown > 0.15 else ():
        line = [[-0.9, -height], [0.0, -height - 0.08], [0.9, -height]]
        scene.fold(view.on_face(line), 1 - 0.3 * min(1.0, frown), width=0.06)


def draw_moles(scene: Scene) -> None:
    """Moles and freckles: always in the same places."""
    person, view = scene.identity, scene.view
    for x, y, radius in person.moles:
        spot = view.on_face(_CIRCLE * radius + (x, y))
        scene.fill(spot, shaded(person.skin, 0.45))
    if person.freckles < _FRECKLES_FROM:
        return
    count = round(60 * (person.freckles - _FRECKLES_FROM) / (1 - _FRECKLES_FROM)) + 10
    places = np.random.default_rng(person.marks_seed).normal((0, 0.75), (0.9, 0.4), (count, 2))
    for spot in view.on_face(places)[:, None] + 0.036 * view.scale_px * _SQUARE:
        scene.fill(spot, shaded(person.skin, 0.72))


def draw_beard(scene: Scene) -> None:
    """Beard and moustache, or the shadow that they leave when shaven."""
    person, how, view = scene.identity, scene.conditions, scene.view
    cover: Plane = np.zeros(scene.pixels.shape[:2], np.uint8)
    w = person.face_width
    jaw = person.jaw_width * w
    half = mouth_half_width(person, how)
    if person.beard > _BEARD_FROM:
        right = [
            [-0.98 * w, 0.6], [-0.99 * jaw, 0.7 * person.chin_y],
            [-0.5 * jaw, person.chin_y], [0.0, person.chin_y],
        ]  # fmt: skip
        edge = [
            [-0.45 * half, person.mouth_y + 0.45], [-half - 0.3, person.mouth_y - 0.1],
            [-0.8 * w, 1.3],
        ]  # fmt: skip
        ring = np.array([*right, *_flipped(right[-2::-1]), *_flipped(edge[::-1]), *edge])
        outline(cover, view.on_face(ring), value=_density(person.beard, how.stubble))
    if person.moustache > _BEARD_FROM:
        low = person.mouth_y - person.upper_lip
        lip = np.array(
            [[-1.15 * half, low + 0.25], [-0.6 * half, low - 0.32], [0.0, low - 0.3],
             [0.6 * half, low - 0.32], [1.15 * half, low + 0.25], [0.0, low + 0.02]]
        )  # fmt: skip
        outline(
            cover, smooth_outline(view.on_face(lip)), value=_density(person.moustache, how.stubble)
        )
    if cover.any():
        soft = np.asarray(cv2.GaussianBlur(cover, (0, 0), 0.075 * view.scale_px), np.uint8)
        scene.pixels[:] = lay_over(scene.pixels, soft, shaded(person.hair, 0.9))


def _flipped(points: list[list[float]]) -> list[list[float]]:
    return [[-x, y] for x, y in points]


def _density(habit: float, stubble: float) -> float:
    """How much a beard hides, 0 to 255; the day's stubble matters to who shaves."""
    grown = (habit - _BEARD_FROM) / (1 - _BEARD_FROM)
    return 255 * min(1.0, 0.25 + 0.7 * grown + 0.4 * stubble)


def draw_glasses(scene: Scene) -> None:
    """Frames, in a style of their own every time, and a faint tint of the lenses."""
    generator, view = scene.details, scene.view
    shade = generator.uniform(10, 130)
    frame: Colour = (
        shade,
        shade * generator.uniform(0.7, 1.0),
        shade * generator.uniform(0.6, 1.0),
    )
    width, height = generator.uniform(0.68, 0.86), generator.uniform(0.42, 0.68)
    roundness = generator.uniform(0.35, 1.0)
    corners = np.sign(_CIRCLE) * np.abs(_CIRCLE) ** roundness * (width, height)
    thickness = generator.uniform(0.05, 0.14)
    drop = generator.uniform(0.0, 0.15)
    lenses: Plane = np.zeros(scene.pixels.shape[:2], np.uint8)
    rims = []
    for side in (-1, 1):
        middle = np.array([side * scene.identity.eye_spacing, drop])
        rim = view.on_face(corners + middle, lift=0.35)
        outline(lenses, rim)
        rims.append(np.concatenate([rim, rim[:1]]))
    tint = generator.uniform(60, 255)
    scene.pixels[:] = lay_over(scene.pixels, lenses, (tint,) * 3, opacity=generator.uniform(0, 0.2))
    for rim in rims:
        scene.line(rim, frame, width=thickness)
    inner = scene.identity.eye_spacing - width
    bridge = [[-inner, drop - 0.1], [0.0, drop - 0.2], [inner, drop - 0.1]]
    scene.line(view.on_face(bridge, lift=0.45), frame, width=thickness)
    for side in (-1, 1):
        outer = side * (scene.identity.eye_spacing + width)
        arm = [[outer, drop - 0.1, 1.4], [side * scene.identity.face_width * 1.05, -0.05, -0.3]]
        scene.line(view.project(arm), frame, width=thickness)
