"""Damage that loses or adds detail: noise, few levels, compression, blur, coarseness."""

import cv2
import numpy as np
from PIL import Image as PilImage

from vultus.core.faces import Image
from vultus.data.augmentation.resolution import line_kernel
from vultus.data.damage.base import LOOKS, Points, damage, eye_distance, face_scale

_Generator = np.random.Generator
_BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.float32)


def _clipped(values: np.ndarray) -> Image:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


@damage("noise", "noise", 18, 25, 35, 50)
def noise(photo: Image, _: Points, strength: float, generator: _Generator) -> Image:
    """Gaussian noise of that standard deviation on every channel."""
    return _clipped(photo + generator.normal(0, strength, photo.shape))


@damage("grey-noise", "noise", 25, 45)
def grey_noise(photo: Image, _: Points, strength: float, generator: _Generator) -> Image:
    """The same noise on all channels of a pixel, in grains of one to two pixels: film."""
    grain = generator.normal(0, strength, photo.shape[:2]).astype(np.float32)
    size = generator.uniform(0.3, 0.8)
    soft = cv2.GaussianBlur(grain, (0, 0), size)
    return _clipped(photo + (soft * (strength / max(float(soft.std()), 1e-6)))[..., None])


@damage("salt-pepper", "noise", 0.06, 0.15)
def salt_pepper(photo: Image, _: Points, strength: float, generator: _Generator) -> Image:
    """That share of the pixels is black or white."""
    chance = generator.random(photo.shape[:2])
    out = photo.copy()
    out[chance < strength / 2], out[chance > 1 - strength / 2] = 0, 255
    return out


@damage("speckle", "noise", 0.3, 0.5)
def speckle(photo: Image, _: Points, strength: float, generator: _Generator) -> Image:
    """Noise in proportion to the light."""
    return _clipped(photo * (1 + generator.normal(0, strength, photo.shape)))


@damage("dither", "few grey levels", 1)
def dither(photo: Image, _: Points, strength: float, generator: _Generator) -> Image:
    """Black and white dots by error diffusion, as of a fax."""
    return np.asarray(PilImage.fromarray(photo).convert("1").convert("RGB"), np.uint8)


@damage("ordered-dither", "few grey levels", 1, 2)
def ordered_dither(photo: Image, _: Points, strength: float, generator: _Generator) -> Image:
    """Dots by a fixed pattern of 4 x 4, in so many pixels a dot."""
    dot = int(strength)
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    tiles = np.tile(_BAYER, (height // (4 * dot) + 1, width // (4 * dot) + 1))
    limits = np.kron(tiles, np.ones((dot, dot)))[:height, :width]
    return np.asarray(np.repeat(((grey / 16 > limits) * 255)[..., None], 3, axis=2), np.uint8)


@damage("posterise", "few grey levels", 2, 3, 4)
def posterise(photo: Image, _: Points, strength: float, generator: _Generator) -> Image:
    """So many levels a channel."""
    top = max(1, round(strength) - 1)
    return _clipped(np.rint(photo / 255 * top) / top * 255)


@damage("threshold", "few grey levels", 0.9, 1.1)
def threshold(photo: Image, _: Points, strength: float, generator: _Generator) -> Image:
    """Black or white by the median light, as of a photocopy."""
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    white = grey > np.median(grey) * strength
    return np.asarray(np.repeat((white * 255)[..., None], 3, axis=2), np.uint8)


def _rewritten(bgr: cv2.typing.MatLike, ending: str, settings: tuple[int, int]) -> Image:
    """RGB of a BGR picture that was encoded and decoded."""
    encoded = cv2.imencode(ending, bgr, settings)[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB), np.uint8)


@damage("jpeg", "compressed", 4, 7, 12)
def jpeg(photo: Image, _: Points, strength: float, generator: _Generator) -> Image:
    """JPEG of that quality."""
    bgr = cv2.cvtColor(photo, cv2.COLOR_RGB2BGR)
    return _rewritten(bgr, ".jpg", (cv2.IMWRITE_JPEG_QUALITY, round(strength)))


@damage("webp", "compressed", 0, 3)
def webp(photo: Image, _: Points, strength: float, generator: _Generator) -> Image:
    """WebP of that quality, of a photo that was made smaller before: a messenger's preview."""
    height, width = photo.shape[:2]
    bgr = cv2.cvtColor(cv2.resize(photo, (width // 2, height // 2)), cv2.COLOR_RGB2BGR)
    small = _rewritten(bgr, ".webp", (cv2.IMWRITE_WEBP_QUALITY, round(strength) + 1))
    return np.asarray(cv2.resize(small, (width, height)), np.uint8)


@damage("blur", "blurred", 1.8, 2.5, 3.5, 4.5)
def blur(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """Gaussian blur, standard deviation in pixels of a usual face."""
    return np.asarray(cv2.GaussianBlur(photo, (0, 0), strength * face_scale(landmarks)), np.uint8)


@damage("motion-blur", "blurred", 8, 11, 16, 22, looks=LOOKS)
def motion_blur(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """The mean along a line of any direction, its length in pixels of a usual face."""
    length = max(1.0, strength * face_scale(landmarks))
    kernel = line_kernel(length, generator.uniform(0, np.pi))
    return np.asarray(cv2.filter2D(photo, -1, kernel), np.uint8)


@damage("defocus", "blurred", 3, 5, 7)
def defocus(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """The mean over a disc of that radius: a lens out of focus."""
    radius = strength * face_scale(landmarks)
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    kernel = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
    return np.asarray(cv2.filter2D(photo, -1, kernel / kernel.sum()), np.uint8)


@damage("coarse", "coarse", 7, 9, 12)
def coarse(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """So many pixels are left between the eyes; enlarged again smoothly."""
    return _shrunk(photo, landmarks, strength, up=cv2.INTER_CUBIC)


@damage("pixelated", "coarse", 7, 9, 12)
def pixelated(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """The same, enlarged in squares."""
    return _shrunk(photo, landmarks, strength, up=cv2.INTER_NEAREST)


def _shrunk(photo: Image, landmarks: Points, eyes_px: float, *, up: int) -> Image:
    height, width = photo.shape[:2]
    scale = min(1.0, eyes_px / eye_distance(landmarks))
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    shrunk = cv2.resize(photo, small, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(shrunk, (width, height), interpolation=up), np.uint8)


@damage("small", "coarse", 9, 13)
def small(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """So many pixels are left between the eyes, and the photo stays small."""
    height, width = photo.shape[:2]
    scale = min(1.0, strength / eye_distance(landmarks))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)


@damage("colour-noise", "noise", 20, 35)
def colour_noise(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """Noise of each channel by itself in grains of some pixels: small sensors in the dark."""
    size = generator.uniform(0.6, 1.6) * max(1.0, face_scale(landmarks))
    grain = cv2.GaussianBlur(generator.normal(0, 1, photo.shape).astype(np.float32), (0, 0), size)
    return _clipped(photo + grain * (strength / max(float(grain.std()), 1e-6)))


@damage("scan-lines", "noise", 15, 30)
def scan_lines(photo: Image, _: Points, strength: float, generator: _Generator) -> Image:
    """Rows that are brighter or darker by chance, or a part of them moved aside: analogue video."""
    steps = generator.normal(0, strength, (photo.shape[0], 1, 1))
    out = photo + steps
    for row in np.flatnonzero(generator.random(photo.shape[0]) < strength / 100):
        out[row] = np.roll(out[row], int(generator.integers(-6, 7)), axis=0)
    return _clipped(out)


@damage("double", "blurred", 8, 14)
def double(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """Two exposures of one face, so far apart in pixels of a usual face."""
    angle = generator.uniform(0, 2 * np.pi)
    far = strength * face_scale(landmarks)
    matrix = np.array([[1, 0, far * np.cos(angle)], [0, 1, far * np.sin(angle)]], np.float32)
    size = (photo.shape[1], photo.shape[0])
    moved = cv2.warpAffine(photo, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    share = generator.uniform(0.35, 0.5)
    return _clipped(photo * (1 - share) + moved.astype(np.float32) * share)


@damage("smeared", "blurred", 7, 11)
def smeared(photo: Image, landmarks: Points, strength: float, generator: _Generator) -> Image:
    """The median of squares of that side in pixels of a usual face: noise taken out too hard."""
    side = 2 * max(1, round(strength * face_scale(landmarks) / 2)) + 1
    return np.asarray(cv2.medianBlur(photo, side), np.uint8)
