"""How a model's file comes into the store: from a mirror, or over the network."""

from collections.abc import Sequence
from pathlib import Path

from vultus.core.errors import ModelNotFoundError
from vultus.models.archive import extract_member
from vultus.models.cards import ModelCard
from vultus.models.digest import delete
from vultus.models.download import Progress, download
from vultus.models.licence import check_accepted
from vultus.models.mirror import find_file
from vultus.models.placement import MAX_FILE_BYTES, check_space, place_copy

__all__ = ["copy_from_mirror", "copy_in", "download_in", "find_in_mirrors", "find_pack", "not_here"]


def find_in_mirrors(card: ModelCard, mirrors: Sequence[Path]) -> Path | None:
    """The model's file in one of the mirrors, or None."""
    return find_file(mirrors, card.sha256, name=card.file_name, size_bytes=card.size_bytes)


def find_pack(card: ModelCard, mirrors: Sequence[Path]) -> Path | None:
    """The zip pack that holds the model's file in one of the mirrors, or None."""
    return None if card.archive_sha256 is None else find_file(mirrors, card.archive_sha256)


def copy_in(source: Path, target: Path, *, card: ModelCard) -> None:
    """Copy the model's file to its place in the store.

    Raises:
        DownloadError: If the disk is full.
        DigestError: If it is another file.
    """
    check_space(target.parent, source.stat().st_size)
    with source.open("rb") as stream:
        place_copy(stream, target, sha256=card.sha256, max_bytes=card.size_bytes or MAX_FILE_BYTES)


def copy_from_mirror(card: ModelCard, target: Path, *, mirrors: Sequence[Path]) -> None:
    """Copy the model's file from a mirror, or unpack it from its pack there.

    Raises:
        ModelNotFoundError: If no mirror has it.
        DownloadError: If the disk is full.
        ModelError: If the pack is not sound.
    """
    found = find_in_mirrors(card, mirrors)
    pack = None if found is not None else find_pack(card, mirrors)
    if found is not None:
        copy_in(found, target, card=card)
    elif pack is not None:
        _unpack(pack, target, card)
    else:
        raise ModelNotFoundError(not_here(card, "it is no longer in a mirror"))


def check_downloadable(card: ModelCard, *, root: Path, offline: bool) -> None:
    """Refuse a download that may not or cannot be.

    Args:
        card: The model.
        root: The store's folder, where accepted licences are recorded.
        offline: Whether the network is off.

    Raises:
        ModelNotFoundError: If the card has no address, or the store is offline.
        LicenceError: If its licence must be accepted first.
    """
    if card.url is None:
        raise ModelNotFoundError(not_here(card, "its card has no address"))
    if offline:
        raise ModelNotFoundError(not_here(card, "the network is off (VULTUS_OFFLINE)"))
    check_accepted(root, card)


def download_in(card: ModelCard, target: Path, *, url: str, progress: Progress | None) -> None:
    """Download the model's file, or its pack, to its place in the store.

    Args:
        card: The model.
        target: Its file in the store.
        url: The card's address.
        progress: Called as bytes arrive.

    Raises:
        DownloadError: If the download fails.
        DigestError: If other bytes come than the card promises.
        ModelError: If the pack is not sound.
    """
    if card.archive_sha256 is None:
        size = card.size_bytes
        download(url, target, sha256=card.sha256, size_bytes=size, progress=progress)
        return
    pack = target.with_name(target.name + ".pack.zip")
    download(url, pack, sha256=card.archive_sha256, progress=progress)
    try:
        _unpack(pack, target, card)
    finally:
        delete(pack)


def not_here(card: ModelCard, reason: str) -> str:
    """The one message for a model whose file cannot be had here."""
    way = f"run `vultus models pull {card.name}`, or " if card.url is not None else ""
    return (
        f"model {card.name!r} cannot be used: {reason}. To have it, {way}put {card.file_name} "
        f"(SHA-256 {card.sha256}) into a folder and set VULTUS_MODELS_MIRROR to that folder"
    )


def _unpack(pack: Path, target: Path, card: ModelCard) -> None:
    extract_member(
        pack,
        target,
        member=card.archive_member or card.file_name,
        sha256=card.sha256,
        size_bytes=card.size_bytes,
    )
