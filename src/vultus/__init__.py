"""Vultus: face recognition whose decisions carry a stated error rate.

``Recognizer`` is the way in; everything else is in the package named after its step of the flow::

    image -> detection -> alignment -> embedding -> matching -> gallery
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vultus.core.embeddings import Embeddings as Embeddings
    from vultus.core.errors import VultusError as VultusError
    from vultus.core.faces import Faces as Faces
    from vultus.core.results import Identification as Identification
    from vultus.core.results import Verification as Verification
    from vultus.gallery.gallery import Gallery as Gallery
    from vultus.image.io import read_image as read_image
    from vultus.pipeline.recognizer import Recognizer as Recognizer

__version__ = "0.1.0"

# Loaded on first use, so that `import vultus` stays light.
_LAZY = {
    "Embeddings": "vultus.core.embeddings",
    "Faces": "vultus.core.faces",
    "Gallery": "vultus.gallery.gallery",
    "Identification": "vultus.core.results",
    "Recognizer": "vultus.pipeline.recognizer",
    "Verification": "vultus.core.results",
    "VultusError": "vultus.core.errors",
    "read_image": "vultus.image.io",
}

__all__ = [
    "Embeddings",
    "Faces",
    "Gallery",
    "Identification",
    "Recognizer",
    "Verification",
    "VultusError",
    "__version__",
    "read_image",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'vultus' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
