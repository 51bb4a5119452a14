"""Damage that hides a part of the face."""

import cv2
import numpy as np

from vultus.core.faces import Image
from vultus.data.damage.base import LOOKS, Points, damage, eye_distance

_Generator = np.random.Generator


def _axes(landmarks: Points) -> tuple[Points, Points, Points, Points]:
    """Between the eyes, between the mouth's corners, and the face's own right and down."""
    eyes, mouth = landmarks[:2].mean(axis=0), landmarks[3:].mean(axis=0)
    right = (landmarks[1] - landmarks[0]) / eye_distance(landmarks)
    return eyes, mouth, right, np.array([-right[1], right[0]], np.float32)


def _box(
    photo: Image, centre: Points, right: Points, half: tuple[float, float], colour: Points
) -> Image:
    """A box along the face's axes, half sides in pixels."""
    down = np.array([-right[1], right[0]], np.float32)
    corners = [
        centre + x * half[0] * right + y * half[1] * down
        for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    ]
    out = photo.copy()
    shade = [int(v) for v in colour]
    cv2.fillConvexPoly(out, np.rint(np.array(corners)).astype(np.int32), shade, cv2.LINE_AA)
    return out


def _colour(generator: _Generator, *, dark: float = 0.5) -> Points:
    if generator.random() < dark:
        return np.full(3, generator.uniform(0, 40), np.float32)
    return generator.uniform(0, 255, 3).astype(np.float32)


@damage("eye-bar", "eyes covered", 0.18, 0.26, 0.35, looks=LOOKS)
def eye_bar(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """A bar over both eyes; half its height in distances between the eyes."""
    eyes, _, right, _ = _axes(landmarks)
    unit = eye_distance(landmarks)
    size = (unit * generator.uniform(0.95, 1.3), unit * strength)
    return _box(photo, eyes, right, size, _colour(generator, dark=0.7))


@damage("glasses", "eyes covered", 0.85, 1, looks=LOOKS)
def glasses(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """Dark glasses that hide that share."""
    _, _, right, down = _axes(landmarks)
    unit = eye_distance(landmarks)
    plane = np.zeros(photo.shape[:2], np.uint8)
    half = (unit * generator.uniform(0.34, 0.46), unit * generator.uniform(0.26, 0.38))
    angle = float(np.degrees(np.arctan2(right[1], right[0])))
    for eye in landmarks[:2]:
        centre = eye + 0.06 * unit * down
        axes = (max(1, round(half[0])), max(1, round(half[1])))
        place = (round(float(centre[0])), round(float(centre[1])))
        cv2.ellipse(plane, place, axes, angle, 0, 360, 255, -1)
    ends = [np.rint(landmarks[i] - s * right * half[0]).astype(int) for i, s in ((0, -1), (1, 1))]
    cv2.line(plane, ends[0].tolist(), ends[1].tolist(), 255, max(1, round(0.06 * unit)))
    share = (plane / 255 * strength)[..., None]
    tint = generator.uniform(5, 45)
    return np.asarray(np.rint(photo * (1 - share) + tint * share), np.uint8)


@damage("mouth-bar", "mouth covered", 0.3, 0.45, looks=LOOKS)
def mouth_bar(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """A bar over the mouth; half its height in distances between the eyes."""
    _, mouth, right, _ = _axes(landmarks)
    unit = eye_distance(landmarks)
    size = (unit * generator.uniform(0.75, 1.2), unit * strength)
    return _box(photo, mouth, right, size, _colour(generator))


@damage("mask", "mouth covered", 0.35, 0.6, looks=LOOKS)
def mask(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """Cloth from the nose to the chin; its edge at that share of the way from eyes to nose."""
    eyes, mouth, right, down = _axes(landmarks)
    unit, long = eye_distance(landmarks), float(np.linalg.norm(mouth - eyes))
    top = eyes + down * strength * long * 0.75
    shape = [
        top - right * 0.05 * unit - down * 0.08 * unit,
        top + right * 0.9 * unit + down * 0.12 * unit,
        mouth + right * 0.85 * unit + down * 0.1 * unit,
        mouth + right * 0.4 * unit + down * 0.62 * unit,
        mouth - right * 0.4 * unit + down * 0.62 * unit,
        mouth - right * 0.85 * unit + down * 0.1 * unit,
        top - right * 0.9 * unit + down * 0.12 * unit,
    ]
    cloths = ((150, 200, 225), (235, 240, 242), (35, 36, 40), (120, 190, 175), (60, 75, 120))
    colour = np.array(cloths[int(generator.integers(len(cloths)))], np.float32)
    plane = np.zeros(photo.shape[:2], np.uint8)
    cv2.fillPoly(plane, [np.rint(np.array(shape)).astype(np.int32)], 255, cv2.LINE_AA)
    x = (np.arange(photo.shape[1]) - mouth[0]) / unit
    light = 1 - generator.uniform(0.05, 0.35) * np.minimum(x**2, 1.5)
    cloth = np.clip(light[None, :, None] * colour, 0, 255)
    share = (plane / 255)[..., None]
    return np.asarray(np.rint(photo * (1 - share) + cloth * share), np.uint8)


@damage("half-cover", "partly covered", 0.0, 0.2, looks=LOOKS)
def half_cover(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """One side is hidden up to so far past the middle, in distances between the eyes."""
    eyes, mouth, right, _ = _axes(landmarks)
    unit = eye_distance(landmarks)
    side = float(generator.choice([-1, 1]))
    centre = (eyes + mouth) / 2 + side * right * unit * (1.2 - strength)
    return _box(photo, centre, right, (1.2 * unit, 2.2 * unit), _colour(generator))


@damage("blocks", "partly covered", 0.35, 0.5)
def blocks(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """Three boxes anywhere on the face; half their sides in distances between the eyes."""
    unit, centre = eye_distance(landmarks), landmarks.mean(axis=0)
    for _ in range(3):
        place = centre + generator.uniform(-0.9, 0.9, 2).astype(np.float32) * unit
        half = unit * strength * generator.uniform(0.7, 1.3, 2)
        right = np.array([1, 0], np.float32)
        photo = _box(photo, place, right, (half[0], half[1]), _colour(generator))
    return photo


@damage("bars", "partly covered", 0.35, 0.5)
def bars(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """A fence before the face that hides that share of it, upright or level."""
    period = eye_distance(landmarks) * generator.uniform(0.35, 0.7)
    across = int(generator.integers(2))
    place = np.arange(photo.shape[1 - across]) / period + generator.random()
    hidden = place % 1 < strength
    out = photo.copy()
    rows = (slice(None), hidden) if across == 0 else (hidden,)
    out[rows] = _colour(generator).astype(np.uint8)
    return out


@damage("cap", "eyes covered", 0.0, 0.25)
def cap(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """All above the eyes, down to so far below them in distances between the eyes."""
    eyes, _, right, down = _axes(landmarks)
    unit = eye_distance(landmarks)
    centre = eyes + down * unit * (strength - 1.2)
    return _box(
        photo, centre, right, (unit * generator.uniform(1.1, 1.6), 1.2 * unit), _colour(generator)
    )


@damage("stripe", "partly covered", 0.2, 0.35)
def stripe(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """A band at any slant over the face; half its height in distances between the eyes."""
    unit = eye_distance(landmarks)
    centre = landmarks.mean(axis=0) + generator.normal(0, 0.25, 2).astype(np.float32) * unit
    angle = generator.uniform(0, np.pi)
    along = np.array([np.cos(angle), np.sin(angle)], np.float32)
    return _box(photo, centre, along, (2.5 * unit, unit * strength), _colour(generator))


@damage("patches", "partly covered", 0.4, 0.6)
def patches(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """Two textured shapes of many corners on the face: hands, hair, things."""
    unit = eye_distance(landmarks)
    out = photo.copy()
    for _ in range(2):
        place = landmarks[int(generator.integers(5))] + generator.normal(0, 0.2, 2) * unit
        angles = np.sort(generator.uniform(0, 2 * np.pi, 9))
        far = unit * strength * generator.uniform(0.6, 1.2, 9)
        corners = place + np.stack([np.cos(angles), np.sin(angles)], axis=1) * far[:, None]
        plane = np.zeros(photo.shape[:2], np.uint8)
        cv2.fillPoly(plane, [np.rint(corners).astype(np.int32)], 255)
        grain = generator.normal(0, generator.uniform(2, 30), (*photo.shape[:2], 1))
        soft = cv2.GaussianBlur(grain.astype(np.float32), (0, 0), generator.uniform(0.5, 3))
        cloth = np.clip(_colour(generator, dark=0.3) + soft[..., None], 0, 255)
        out = np.where(plane[..., None] > 0, cloth, out).astype(np.uint8)
    return out
