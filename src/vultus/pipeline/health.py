"""What is installed, what runs, what is missing."""

import os
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

import numpy as np

from vultus import __version__
from vultus.alignment.crop_templates import crop_template
from vultus.core.choices import DEFAULT_DETECTOR, DEFAULT_EMBEDDER
from vultus.core.crops import AlignedCrops
from vultus.core.errors import MissingDependencyError, ModelNotFoundError, VultusError
from vultus.image.demo_photos import grace_hopper
from vultus.models.store import ModelStore
from vultus.pipeline.recognizer import Recognizer
from vultus.runtime.providers import available_providers

Status = Literal["ok", "missing", "failed"]
_PACKAGES = ("numpy", "opencv-python-headless", "pillow", "onnxruntime", "mtcnn")
_EXTRAS = ("openvino", "pillow-heif", "matplotlib", "torch")
_ALONE_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    what: str
    status: Status
    detail: str

    @property
    def passed(self) -> bool:
        """It is well, or nothing needs it."""
        needed = self.status == "failed" or self.what.startswith("self test")
        return self.status == "ok" or not needed


def check_installation(model: str = DEFAULT_EMBEDDER) -> list[Check]:
    """Versions, engines, models that are here, and a self test of the default detector and a model.

    Args:
        model: Name or ONNX file of the embedder to test.
    """
    return [*_versions(), *_engines(), *_models(), *_self_test(model)]


def _versions() -> Iterator[Check]:
    yield Check("vultus", "ok", f"{__version__} on Python {platform.python_version()}")
    for name in _PACKAGES:
        yield Check(name, "ok", version(name))
    for name in _EXTRAS:
        try:
            yield Check(name, "ok", version(name))
        except PackageNotFoundError:
            yield Check(name, "missing", "optional")


def _engines() -> Iterator[Check]:
    for engine, providers in available_providers().items():
        yield Check(f"runtime {engine}", "ok", f"providers: {', '.join(providers)}")
    yield Check("threads", "ok", f"{os.cpu_count()} processors")


def _models() -> Iterator[Check]:
    store = ModelStore()
    for name in store.names():
        try:
            path = store.path(name)
        except ModelNotFoundError:
            continue
        except VultusError as error:
            yield Check(f"model {name}", "failed", str(error))
        else:
            yield Check(f"model {name}", "ok", f"{store.card(name).sha256[:12]} at {path}")


def _self_test(model: str) -> Iterator[Check]:
    recognizer = Recognizer(embedder=model)
    yield _tried(f"self test: detector {DEFAULT_DETECTOR}", lambda: _detects(recognizer))
    yield _tried(f"self test: embedder {model}", lambda: _embeds(recognizer))


def _tried(what: str, test: Callable[[], str]) -> Check:
    try:
        return Check(what, "ok", test())
    except ModelNotFoundError as error:
        return Check(what, "missing", str(error))
    except VultusError as error:
        return Check(what, "failed", str(error))


def _detects(recognizer: Recognizer) -> str:
    noise = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)
    in_noise = len(recognizer.detect(noise))
    try:
        portrait = grace_hopper()
    except MissingDependencyError:
        return f"runs ({in_noise} faces in noise)"
    in_portrait = len(recognizer.detect(portrait))
    if in_portrait != 1:
        raise VultusError(f"a portrait of one person must give 1 face, got {in_portrait}")
    return "finds the face of a portrait"


def _embeds(recognizer: Recognizer) -> str:
    embedder = recognizer.embedder
    height, width = crop_template(embedder.card.template).size_hw
    pixels = np.random.default_rng(0).integers(0, 255, (3, height, width, 3), np.uint8)
    crops = AlignedCrops(pixels, np.zeros((3, 2, 3), np.float32), embedder.card.template)
    together = embedder.embed(crops).vectors
    alone = np.concatenate([embedder.embed(crops[i]).vectors for i in range(3)])
    difference = float(np.abs(together - alone).max())
    if difference > _ALONE_TOLERANCE:
        raise VultusError(f"alone and batched must agree within 1e-5, they differ by {difference}")
    return f"alone = batched within {difference:.1e}; {embedder.description}"
