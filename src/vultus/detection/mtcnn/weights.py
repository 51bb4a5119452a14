"""The published weights of MTCNN, read from the installed PyPI package ``mtcnn``.

Only the three data files of that package are used. Its code is never imported, because that would
import TensorFlow.
"""

import inspect
import io
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib.numpy_pickle import NumpyUnpickler
from lz4.frame import decompress

from vultus.core.errors import DigestError, ModelNotFoundError
from vultus.detection.mtcnn.cascade import Stage

WEIGHT_DIGESTS = MappingProxyType(
    {
        "pnet": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
        "rnet": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
        "onet": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
    }
)
"""SHA-256 of each weight file in ``mtcnn`` 1.0.0."""

_ALLOWED_GLOBALS = frozenset(
    {
        ("joblib.numpy_pickle", "NumpyArrayWrapper"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
    }
)


@cache
def load_weights(stage: Stage) -> tuple[npt.NDArray[np.float32], ...]:
    """Read one network's weights, in the order of its layers (TensorFlow layouts).

    Args:
        stage: Which of the three networks.

    Returns:
        Float32 arrays: per convolution a kernel (h, w, in, out), a bias and a PReLU slope; per
        dense layer a matrix (in, out) and a bias. Read-only and shared by all callers.

    Raises:
        ModelNotFoundError: If the package ``mtcnn`` is not installed or lacks the file.
        DigestError: If the file is not the one that this code was tested with.
    """
    arrays = _unpickle(decompress(_verified_bytes(weight_path(stage), WEIGHT_DIGESTS[stage])))
    for array in arrays:
        array.flags.writeable = False
    return tuple(arrays)


def weight_path(stage: Stage) -> Path:
    """Where the installed package keeps one network's weights; the package is not imported.

    Raises:
        ModelNotFoundError: If the package is not installed or lacks the file.
    """
    spec = find_spec("mtcnn")
    if spec is None or not spec.submodule_search_locations:
        raise ModelNotFoundError(
            "the weights of MTCNN come with the package 'mtcnn', which is not installed; "
            "run: pip install 'mtcnn>=1.0,<2'"
        )
    path = Path(spec.submodule_search_locations[0], "assets", "weights", f"{stage}.lz4")
    if not path.is_file():
        raise ModelNotFoundError(
            f"the installed package 'mtcnn' has no file {path}; run: pip install 'mtcnn==1.0.0'"
        )
    return path


def _verified_bytes(path: Path, digest: str) -> bytes:
    content = path.read_bytes()
    found = sha256(content).hexdigest()
    if found != digest:
        raise DigestError(
            f"{path} must have SHA-256 {digest}, got {found}; run: "
            "pip install --force-reinstall 'mtcnn==1.0.0'"
        )
    return content


def _unpickle(content: bytes) -> list[npt.NDArray[np.float32]]:
    # joblib 1.5 added a parameter that older versions do not know.
    known = inspect.signature(NumpyUnpickler.__init__).parameters
    settings = {"ensure_native_byte_order": True} if "ensure_native_byte_order" in known else {}
    arrays: list[npt.NDArray[np.float32]] = _ArrayUnpickler(
        "", io.BytesIO(content), **settings
    ).load()
    return arrays


class _ArrayUnpickler(NumpyUnpickler):  # type: ignore[misc]  # joblib has no types
    """joblib's reader, allowed to make lists of arrays and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Look up a global that the stream names.

        Raises:
            DigestError: If it is anything but a plain array.
        """
        if (module, name) not in _ALLOWED_GLOBALS:
            raise DigestError(f"a file of weights must hold arrays only, got {module}.{name}")
        return super().find_class(module, name)
