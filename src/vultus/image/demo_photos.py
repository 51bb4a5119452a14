"""The demo's photos: two public-domain portraits from well-known packages, and altered copies."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

from vultus.core.errors import MissingDependencyError
from vultus.core.faces import Image
from vultus.core.text import install_hint
from vultus.image.io import read_image, write_image

HOPPER = "Grace Hopper"
COLLINS = "Eileen Collins"
TOGETHER = "both-together.jpg"
NOBODY = "nobody.jpg"
SMALL = "too-small.jpg"


def write_demo_photos(folder: Path) -> dict[str, list[Path]]:
    """Write the photos of both people, one folder per person, and the special ones beside.

    Both portraits are works of United States agencies (Navy, NASA) and in the public domain.
    Beside the folders lie `TOGETHER` (both people), `NOBODY` (a rocket on its pad) and `SMALL` (a
    face too small to judge).

    Args:
        folder: Where to; made when needed.

    Returns:
        The photos by person, the unaltered one first.

    Raises:
        MissingDependencyError: If matplotlib or scikit-image is not installed.
    """
    hopper = grace_hopper()
    collins = _packaged("skimage", "data/astronaut.png")
    rocket = _packaged("skimage", "data/rocket.jpg")
    people = {
        HOPPER: _write_copies(folder / HOPPER, hopper),
        COLLINS: _write_copies(folder / COLLINS, collins),
    }
    write_image(folder / TOGETHER, _side_by_side(hopper, collins))
    write_image(folder / NOBODY, rocket)
    write_image(folder / SMALL, _scaled(hopper, 0.09))
    return people


def grace_hopper() -> Image:
    """The portrait that comes with matplotlib.

    Raises:
        MissingDependencyError: If matplotlib is not installed.
    """
    return _packaged("matplotlib", "mpl-data/sample_data/grace_hopper.jpg")


def _packaged(package: str, path: str) -> Image:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise MissingDependencyError(
            f"the demo's photos come with {package}, which is not installed; "
            f"{install_hint('demo')}, or give photos of your own with --photos"
        )
    return read_image(Path(spec.origin).parent / path)


def _write_copies(folder: Path, portrait: Image) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    versions: dict[str, Callable[[Image], Image]] = {
        "original": lambda image: image,
        "cropped": _cropped,
        "turned": lambda image: _turned(image, degrees=15),
        "dimmed": lambda image: (image * 0.35).astype(np.uint8),
        "shrunk": lambda image: _scaled(image, 0.65),
        "mirrored": lambda image: np.ascontiguousarray(image[:, ::-1]),
    }
    paths = []
    for number, (name, change) in enumerate(versions.items()):
        path = folder / f"{number}-{name}.jpg"
        write_image(path, change(portrait))
        paths.append(path)
    return paths


def _cropped(image: Image) -> Image:
    height, width = image.shape[:2]
    return image[: int(0.7 * height), width // 8 : width - width // 8]


def _turned(image: Image, *, degrees: float) -> Image:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    turned = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, np.uint8)


def _scaled(image: Image, factor: float) -> Image:
    scaled = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return np.asarray(scaled, np.uint8)


def _side_by_side(left: Image, right: Image) -> Image:
    height = min(left.shape[0], right.shape[0])
    return np.concatenate([left[:height], right[:height]], axis=1)
