"""What printing, showing and photographing again do to pixels, one thing a function.

Pixels are (h, w, 3) float32, RGB, in [0, 1] (what leaves it is cut by who calls).
"""

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.float32]
_Generator = np.random.Generator
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


def narrowed_gamut(pixels: Pixels, *, saturation: float, black: float, white: Pixels) -> Pixels:
    """Colours nearer to grey, a black that shines, a white that is tinted.

    Args:
        pixels: The photo.
        saturation: Of what was there, 1 for all.
        black: Where black comes to lie, in [0, 1).
        white: (3,) where white comes to lie.
    """
    grey = (pixels @ _GREY)[..., None]
    paler = grey + saturation * (pixels - grey)
    return np.asarray(black + (white - black) * paler, np.float32)


def subpixel_moire(pixels: Pixels, layout: Pixels, *, pitch: float, angle_rad: float) -> Pixels:
    """Light through a grid of coloured stripes, seen by a sensor whose pixels are no multiple.

    The grid is laid over an enlarged photo and photographed by reducing it at an angle, which beats
    the two grids against each other: the moire is not drawn, it comes about.

    Args:
        pixels: The photo.
        layout: (rows, columns, 3) how much of each colour passes in one cell of the screen.
        pitch: Cells of the screen for one pixel of the photo, about 1.
        angle_rad: By which the camera is turned against the screen.
    """
    height, width = pixels.shape[:2]
    rows, columns = layout.shape[:2]
    cells = (max(int(height * pitch), 8), max(int(width * pitch), 8))
    shown = cv2.resize(pixels, (cells[1], cells[0]), interpolation=cv2.INTER_AREA)
    shown = shown.repeat(rows, axis=0).repeat(columns, axis=1)
    shown = shown * np.tile(layout, (cells[0], cells[1], 1))
    scale = np.array([width / shown.shape[1], height / shown.shape[0]])
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    turn = np.array([[cos, -sin], [sin, cos]]) * scale
    centre = np.array([width, height]) / 2
    shift = centre - turn @ (np.array([shown.shape[1], shown.shape[0]]) / 2)
    # Twice as fine as the photo, then halved: a lens blurs less than a pixel of its sensor sees.
    move = 2 * np.column_stack([turn, shift])
    fine = cv2.warpAffine(
        shown, move, (2 * width, 2 * height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    seen = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)
    # A screen's white is white, however its stripes are shared out.
    bright = pixels.mean(axis=(0, 1)) / np.maximum(seen.mean(axis=(0, 1)), 1e-3)
    return np.asarray(seen * bright, np.float32)


def gratings(pixels: Pixels, rng: _Generator, *, depth: float, period_px: float) -> Pixels:
    """Moire as bent waves of colour, drawn.

    Args:
        pixels: The photo.
        rng: Draws angles, bends and colours.
        depth: By which share light rises and falls.
        period_px: From wave to wave.
    """
    y, x = _grid(pixels)
    waves = np.zeros(pixels.shape, np.float32)
    for _ in range(2):
        angle, bend = rng.uniform(0, np.pi), rng.uniform(-0.3, 0.3)
        along = np.cos(angle) * x + np.sin(angle) * y
        across = np.cos(angle) * y - np.sin(angle) * x
        phase = 2 * np.pi * (along + bend * across**2 / max(pixels.shape[:2])) / period_px
        tints = rng.uniform(0, 1.5, 3)
        waves += np.sin(phase[..., None] + tints)
    return np.asarray(pixels * (1 + depth * waves / 2), np.float32)


def bands(
    pixels: Pixels, rng: _Generator, *, depth: float, period_share: float, soft: bool
) -> Pixels:
    """Stripes across the photo: a screen that refreshes while a shutter rolls, a printer's head.

    Args:
        pixels: The photo.
        rng: Draws where they lie.
        depth: By which share they are darker.
        period_share: From stripe to stripe, of the height.
        soft: Waves; else edges.
    """
    height = pixels.shape[0]
    phase = np.arange(height) / (period_share * height) + rng.uniform()
    wave = np.sin(2 * np.pi * phase)
    wave = wave if soft else np.sign(wave) * rng.uniform(0.5, 1, height)
    return np.asarray(pixels * (1 - depth / 2 + depth / 2 * wave)[:, None, None], np.float32)


def posterised(pixels: Pixels, *, levels: int) -> Pixels:
    """Steps where there were gradients."""
    return np.asarray(np.round(pixels * (levels - 1)) / (levels - 1), np.float32)


def reflection(pixels: Pixels, rng: _Generator, *, strength: float) -> Pixels:
    """The light of a window or a lamp on glass or gloss.

    Args:
        pixels: The photo.
        rng: Draws its place, form and tint.
        strength: Of its middle, in [0, 1].
    """
    height, width = pixels.shape[:2]
    light = np.zeros((height, width), np.float32)
    centre = rng.uniform(0, 1, 2) * (width, height)
    half = rng.uniform(0.1, 0.35, 2) * (width, height)
    corners = cv2.boxPoints((centre.tolist(), (2 * half).tolist(), float(rng.uniform(0, 180))))
    cv2.fillConvexPoly(light, np.round(corners).astype(np.int32), 1.0)
    light = np.asarray(cv2.GaussianBlur(light, (0, 0), float(rng.uniform(0.02, 0.12) * width)))
    tint = 1 - rng.uniform(0, 0.15, 3).astype(np.float32)
    share = strength * light[..., None]
    return np.asarray(pixels * (1 - share) + share * tint, np.float32)


def halftone(pixels: Pixels, rng: _Generator, *, period_px: float, depth: float) -> Pixels:
    """Dots whose size says how dark it is, each ink at an angle of its own.

    Args:
        pixels: The photo.
        rng: Draws the angles.
        period_px: From dot to dot, in pixels of what is seen; fractions beat with the pixels.
        depth: How much of it survives the camera's blur, in [0, 1].
    """
    y, x = _grid(pixels)
    start = rng.uniform(0, np.pi)
    printed = np.empty_like(pixels)
    for ink in range(3):
        angle = start + (0.26, 1.31, 0.0)[ink]
        along = 2 * np.pi * (np.cos(angle) * x + np.sin(angle) * y) / period_px
        across = 2 * np.pi * (np.cos(angle) * y - np.sin(angle) * x) / period_px
        raster = (np.cos(along) + np.cos(across)) / 4 + 0.5
        printed[..., ink] = 1 / (1 + np.exp(-12 * (pixels[..., ink] - raster)))
    return np.asarray((1 - depth) * pixels + depth * printed, np.float32)


def paper(pixels: Pixels, rng: _Generator, *, grain: float, curl: float) -> Pixels:
    """Fibres, and light that falls off over a sheet that is bent.

    Args:
        pixels: The photo.
        rng: Draws both.
        grain: Standard deviation of the fibres' light.
        curl: By which share light changes over the sheet.
    """
    y, x = _grid(pixels)
    height, width = pixels.shape[:2]
    fibres = rng.normal(0, 1, (height, width)).astype(np.float32)
    fibres = np.asarray(cv2.GaussianBlur(fibres, (0, 0), sigmaX=1.2, sigmaY=0.6), np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    slope = np.cos(angle) * (x / width - 0.5) + np.sin(angle) * (y / height - 0.5)
    bend = 1 + curl * (slope + rng.uniform(-1, 1) * slope**2)
    return np.asarray(pixels * bend[..., None] + grain * fibres[..., None], np.float32)


def photographed(pixels: Pixels, rng: _Generator, *, blur_px: float, noise: float) -> Pixels:
    """A lens that is not quite sharp, and a sensor's noise.

    Args:
        pixels: What is before the camera.
        rng: Draws the noise.
        blur_px: Standard deviation of the blur; 0 for none.
        noise: Standard deviation, in [0, 1].
    """
    if blur_px > 0:
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), blur_px), np.float32)
    return np.asarray(pixels + rng.normal(0, noise, pixels.shape), np.float32)


def _grid(pixels: Pixels) -> tuple[Pixels, Pixels]:
    """Rows and columns, each (h, w) float32."""
    height, width = pixels.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return y, x
