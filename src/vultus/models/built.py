"""Models whose file is built here, of a file that another package or a mirror carries."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from vultus.core.errors import DigestError, ModelError, ModelNotFoundError
from vultus.core.text import install_hint
from vultus.models.cards import ModelCard
from vultus.models.digest import known_sha256
from vultus.models.placement import check_space, place_copy

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Origin:
    """A file that models are built of, and the package that carries it.

    Attributes:
        module: The package as it is imported; it never is: only its folder is asked for.
        folder: Where in the package the file lies.
        extra: The extra of Vultus that installs the package.
        build: The file's bytes and its name -> the model's bytes.
    """

    module: str
    folder: str
    extra: str
    build: Callable[[bytes, str], bytes]


def _dlib_resnet(content: bytes, name: str) -> bytes:
    from vultus.models.dlib_resnet.graph import build_graph
    from vultus.models.dlib_resnet.network import read_network

    return build_graph(read_network(content, name=name))


ORIGINS: Mapping[str, Origin] = MappingProxyType(
    {
        "dlib_face_recognition_resnet_model_v1.dat": Origin(
            "face_recognition_models", "models", "dlib", _dlib_resnet
        )
    }
)
"""By the file's name. No other file of those packages is opened."""


def find_origin(card: ModelCard, mirrors: Sequence[Path]) -> Path | None:
    """The file that a model is built of: in a mirror, under its own name, or in its package.

    Returns:
        The file, its digest checked in this process; None if the model is not built, or no right
        file is here.
    """
    if card.built_from is None or card.built_from not in ORIGINS:
        return None
    places = [path for folder in mirrors for path in sorted(folder.rglob(card.built_from))]
    for path in (*places, _in_package(card.built_from)):
        try:
            if path is None or not path.is_file():
                continue
            if known_sha256(path) == card.built_from_sha256:
                return path
            _log.warning("%s is not the file that model %s is built of", path, card.name)
        except OSError as error:
            _log.warning("cannot read %s (%s)", path, error)
    return None


def build_in(card: ModelCard, target: Path, *, origin: Path) -> None:
    """Build the model's file at its place in the store.

    Args:
        card: The model.
        target: Its file in the store.
        origin: As `find_origin` gave it.

    Raises:
        ModelError: If the file cannot be read.
        DigestError: If it, or what comes of it, is not what the card promises.
        DownloadError: If the disk is full.
    """
    try:
        content = origin.read_bytes()
    except OSError as error:
        raise ModelError(f"{origin} must be readable: {error}") from error
    built = ORIGINS[str(card.built_from)].build(content, str(origin))
    check_space(target.parent, len(built))
    try:
        place_copy([built], target, sha256=card.sha256, max_bytes=len(built))
    except DigestError as error:
        raise DigestError(
            f"model {card.name!r} as built of {origin} must have SHA-256 {card.sha256}: {error}; "
            "the installed onnx may write other bytes: put the file into a mirror"
        ) from error


def check_buildable(card: ModelCard) -> None:
    """Say how to have a model whose origin is not here.

    Raises:
        ModelNotFoundError: If the card is that of a model that is built or converted.
    """
    if card.built_from is None:
        return
    if card.built_from not in ORIGINS:
        raise ModelNotFoundError(
            f"model {card.name!r} cannot be used: it is converted from {card.built_from} (SHA-256 "
            f"{card.built_from_sha256}), see {card.licence.source}. To have it, get that file and "
            f"run `vultus liveness convert {card.built_from}`; or put {card.file_name} (SHA-256 "
            f"{card.sha256}) into a folder and set VULTUS_MODELS_MIRROR to that folder"
        )
    extra = ORIGINS[card.built_from].extra
    raise ModelNotFoundError(
        f"model {card.name!r} cannot be used: it is built of {card.built_from}, which is not on "
        f"this machine. To have it, {install_hint(extra)}; or put that file (SHA-256 "
        f"{card.built_from_sha256}), or {card.file_name} (SHA-256 {card.sha256}), into a folder "
        "and set VULTUS_MODELS_MIRROR to that folder"
    )


def _in_package(file_name: str) -> Path | None:
    origin = ORIGINS[file_name]
    spec = find_spec(origin.module)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0], origin.folder, file_name)
