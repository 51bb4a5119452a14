"""Eyes, brows, nose and mouth of a synthetic face."""

import numpy as np

from vultus.data.paint import Points, smooth_outline
from vultus.data.synthetic.identity import Colour
from vultus.data.synthetic.scene import Scene, shaded
from vultus.data.synthetic.view import corner_rise, mouth_half_width

_SCLERA: Colour = (222.0, 218.0, 214.0)
_PUPIL: Colour = (14.0, 12.0, 12.0)
_GLINT: Colour = (250.0, 250.0, 250.0)
_TEETH: Colour = (232.0, 226.0, 214.0)
_THROAT: Colour = (58.0, 22.0, 24.0)
_DOWN = np.array([0.0, 0.16])
_CIRCLE = np.column_stack(
    [np.cos(np.linspace(0, 2 * np.pi, 13)[:-1]), np.sin(np.linspace(0, 2 * np.pi, 13)[:-1])]
)


def draw_eyes(scene: Scene) -> None:
    """Both eyes: hollow, white, iris, pupil, glint, lid."""
    for side in (-1, 1):
        _draw_eye(scene, side)


def _draw_eye(scene: Scene, side: int) -> None:
    person, how, view = scene.identity, scene.conditions, scene.view
    centre = np.array([side * person.eye_spacing, 0.0])
    half, height = person.eye_width, person.eye_height * how.eyes_open
    # From the inner corner over the upper lid to the outer one and back.
    almond = np.array(
        [[-1.0, 0.25], [-0.45, -0.8], [0.15, -1.0], [0.7, -0.6],
         [1.0, 0.0], [0.5, 0.65], [-0.2, 0.75]]
    ) * (half, height)  # fmt: skip
    almond[:, 1] -= person.eye_slant * almond[:, 0] / half
    almond = almond * (side, 1) + centre
    hollow = centre + _CIRCLE * (1.25 * half, 0.5)
    scene.dent(view.on_face(hollow - (0, 0.12)), 0.9)
    if scene.identity.age > 0.5:
        scene.dent(view.on_face(hollow[1:6] + _DOWN), 1.1 - 0.45 * person.age)
    white = smooth_outline(view.on_face(almond), steps=3)
    scene.fill(white, _SCLERA)
    # The lids hide what of the iris lies beyond the eye: draw it squeezed to the opening.
    radius = 0.3 * person.iris_size
    look = centre + np.array(how.gaze) * (half, 0.5 * height)
    opening = min(1.0, 0.98 * height / radius)
    scene.fill(view.on_face(look + radius * _CIRCLE * (1, opening)), person.iris)
    scene.fill(view.on_face(look + 0.45 * radius * _CIRCLE * (1, min(1.0, 2 * opening))), _PUPIL)
    glint = look + np.array([0.35 * how.light_xyz[0], -0.4 * opening]) * radius
    scene.fill(view.on_face(glint + 0.2 * radius * _CIRCLE), _GLINT)
    lashes = 0.45 if person.skin[0] > 150 else 0.3
    scene.line(view.on_face(almond[:5]), shaded(person.skin, lashes), width=0.07)
    if person.lid_crease > 0.3:
        crease = view.on_face(almond[:5] - (0, 0.1 + 0.16 * person.lid_crease))
        scene.fold(crease, 1 - 0.55 * person.lid_crease, width=0.07)


def draw_brows(scene: Scene) -> None:
    """Both brows, in a darker colour than the hair."""
    person, how, view = scene.identity, scene.conditions, scene.view
    colour = shaded(person.hair, 0.8)
    lift = person.brow_height + 0.18 * how.brow_raise
    x = np.array([-1.0, -0.35, 0.3, 1.0])
    shape = np.array([0.75, 1.0, 0.85, 0.15]) * person.brow_thickness / 2
    middle = person.brow_arch * (1 - x**2) + person.brow_slant * x
    for side in (-1, 1):
        across = side * (person.eye_spacing + person.brow_inset + x * person.brow_length * 0.75)
        upper = np.column_stack([across, -lift - middle - shape])
        lower = np.column_stack([across, -lift - middle + shape])[::-1]
        scene.fill(view.on_face(np.concatenate([upper, lower])), colour, smooth=3)


def draw_nose(scene: Scene) -> None:
    """The nose, by its shadows: a lit and a dark side, the tip, the wings, the nostrils."""
    person, view = scene.identity, scene.view
    tip, width, bridge = person.nose_length, person.nose_width, person.bridge_width
    away = -np.sign(scene.conditions.light_xyz[0]) or 1.0
    for side in (-1.0, 1.0):
        edge = view.on_face(
            [[side * bridge, -0.15], [side * bridge, 0.4], [side * 0.85 * width, tip - 0.12]]
        )
        ridge = _lifted(scene, [[0.0, tip], [0.0, 0.45], [0.0, -0.1]], np.array([0.9, 0.45, 0.1]))
        scene.dent(np.concatenate([edge, ridge]), 0.84 if side == away else 1.05)
    wings = 0.25 * person.nose_depth
    base = _lifted(
        scene,
        [[-width, tip + 0.05], [-0.6 * width, tip + 0.26], [0.0, tip + 0.3],
         [0.6 * width, tip + 0.26], [width, tip + 0.05]],
        np.array([0.2, 0.3, 0.55, 0.3, 0.2]),
    )  # fmt: skip
    scene.fold(base, 0.68, width=0.13)
    for side in (-1, 1):
        hole = _CIRCLE * (0.2 * width, 0.075) + (side * 0.45 * width, tip + 0.2)
        scene.fill(view.on_face(hole, lift=wings), shaded(person.skin, 0.42))
        wing = [[side * width * 0.95, tip - 0.2], [side * width * 1.06, tip + 0.08]]
        scene.line(view.on_face(wing, lift=0.1), shaded(person.skin, 0.72), width=0.06)
    light = _lifted(
        scene, _CIRCLE * (0.3 * width, 0.16) + (0.0, tip - 0.1), np.full(len(_CIRCLE), 0.95)
    )
    scene.dent(light, 1.14)


def _lifted(scene: Scene, xy: object, shares: np.ndarray) -> Points:
    """Pixels of points that stand out by shares of the nose's depth."""
    points = np.asarray(xy, np.float64)
    flat = scene.view.on_face(points)
    full = scene.view.on_face(points, lift=scene.identity.nose_depth)
    return np.asarray(flat + shares[:, None] * (full - flat))


def draw_mouth(scene: Scene) -> None:
    """Lips, and between them the teeth when the mouth is open."""
    person, how, view = scene.identity, scene.conditions, scene.view
    half, rise = mouth_half_width(person, how), corner_rise(person, how)
    gap = 0.42 * how.mouth_open
    x = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    # The line between the lips; corners rise against its middle.
    sag = person.mouth_y - rise * x**2
    bow = np.array([0.0, 0.9, 1.0 - person.lip_bow, 0.9, 0.0])
    full = np.array([0.0, 0.8, 1.0, 0.8, 0.0])
    open_by = gap * (1 - x**2)
    top = np.column_stack([x * half, sag - person.upper_lip * bow - 0.3 * open_by])
    inner_top = np.column_stack([x * half, sag - 0.3 * open_by])
    inner_bottom = np.column_stack([x * half, sag + 0.7 * open_by])
    bottom = np.column_stack([x * half, sag + 0.7 * open_by + person.lower_lip * full])
    stretch = shaded(person.lips, 0.86)
    scene.fill(view.on_face(np.concatenate([top, inner_top[::-1]])), stretch)
    scene.fill(view.on_face(np.concatenate([inner_bottom, bottom[::-1]])), person.lips)
    if gap > 0.05:
        scene.fill(view.on_face(np.concatenate([inner_top, inner_bottom[::-1]])), _THROAT)
        teeth = np.column_stack([x * 0.85 * half, inner_top[:, 1] + 0.45 * open_by])
        scene.fill(view.on_face(np.concatenate([inner_top, teeth[::-1]])), _TEETH)
    else:
        scene.line(view.on_face(inner_top), shaded(person.lips, 0.5), width=0.06)
    below = bottom[1:4] + _DOWN
    scene.fold(view.on_face(below), 0.82, width=0.14)
    scene.dent(view.on_face(bottom[1:4] - (0, 0.35 * person.lower_lip)), 1.15)
