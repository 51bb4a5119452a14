"""What the `train` extra brings, asked for before it is needed."""

from vultus.core.errors import MissingDependencyError
from vultus.core.text import install_hint


def require_training_extra(what: str) -> None:
    """Check that PyTorch and safetensors are here.

    Args:
        what: Beginning of the message, e.g. ``"training needs"``.

    Raises:
        MissingDependencyError: If not; the message says how to get them.
    """
    try:
        import safetensors  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            f"{what} PyTorch and safetensors; {install_hint('train')}"
        ) from error
