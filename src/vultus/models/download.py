"""Download one file: resumed where it broke off, checked by its digest, in place at once."""

import http.client
import logging
import os
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from vultus.core.errors import DigestError, DownloadError, ModelNotFoundError
from vultus.core.files import sync_folder
from vultus.models.cards import ModelCard
from vultus.models.connections import check_url, is_unreachable, make_opener
from vultus.models.digest import delete, find_file, stamp
from vultus.models.licence import check_accepted
from vultus.models.placement import (
    MAX_FILE_BYTES,
    check_space,
    extract_member,
    full_disk_named,
    place_copy,
    wrong_digest,
)

_log = logging.getLogger(__name__)

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are here and the bytes in all (None if the server does not say)."""

_CHUNK = 1 << 16
_WORTH_RETRYING = (408, 425, 429, 500, 502, 503, 504)
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


@dataclass(frozen=True, slots=True)
class DownloadSettings:
    """How patient a download is.

    Attributes:
        timeout_s: Seconds without a byte after which a connection counts as dead.
        connect_timeout_s: The same while it is being made; a host that does not answer at all is
            not asked again.
        attempts: Connections made before giving up.
        backoff_s: Pause before the second connection; doubles with each one after.
    """

    timeout_s: float = 30.0
    connect_timeout_s: float = 10.0
    attempts: int = 5
    backoff_s: float = 1.0


class _NotHadError(DownloadError):
    """The server cannot be reached, or not well enough; the file may be had in another way."""


class _BrokenOffError(Exception):
    """The connection failed in a way that another try may mend."""


def download(
    url: str,
    target: Path,
    *,
    sha256: str,
    size_bytes: int | None = None,
    progress: Progress | None = None,
    settings: DownloadSettings | None = None,
) -> None:
    """Download ``url`` to ``target``.

    The bytes go to ``<target>.part`` first. If the connection breaks, the next try asks for the
    rest, now or in another run. The caller holds a lock if several processes may do this.

    Args:
        url: https; plain http only from this machine itself (loopback).
        target: The file to make, in a folder that exists.
        sha256: What its bytes must hash to.
        size_bytes: Its length, if known.
        progress: Called as bytes arrive.
        settings: Timeout and retries.

    Raises:
        DownloadError: If it cannot be had; what had arrived is kept for the next try.
        DigestError: If the bytes are not those promised; they are deleted.
    """
    import pooch  # takes a while to import, and only downloads need it

    check_url(url, plain_allowed=True)
    pooch.get_logger().setLevel("WARNING")  # what it would print, `progress` says
    downloader = _Downloader(
        url, target, size_bytes, progress, DownloadSettings() if settings is None else settings
    )
    # The beginning that an earlier run left may be the bad part; then all of it comes once more.
    tries = 2 if downloader.arrived() > 0 else 1
    for left in reversed(range(tries)):
        try:
            # It gives the downloader a name of its own, checks what came, and renames it.
            pooch.retrieve(
                url, f"sha256:{sha256}", target.name, target.parent, downloader=downloader
            )
            break
        except ValueError as error:
            found = re.search(r"but got (?:sha256:)?([0-9a-f]{64})", str(error))
            if found is None:  # not about the digest: an address that cannot be encoded, say
                raise DownloadError(f"{url}: {error}") from error
            if not left:
                raise wrong_digest(target, found[1], sha256) from error
    sync_folder(target.parent)
    stamp(target, sha256)


class _Downloader:
    """Brings the bytes of one address into a part file, over one or more connections."""

    def __init__(
        self,
        url: str,
        target: Path,
        size_bytes: int | None,
        progress: Progress | None,
        settings: DownloadSettings,
    ) -> None:
        self.url = url
        self.part = target.with_name(target.name + ".part")
        self._version = target.with_name(target.name + ".part.etag")
        self._size_bytes = size_bytes
        self._progress = progress
        self._settings = settings
        self._opener = make_opener(settings.connect_timeout_s)
        self._was_reached = False

    def __call__(self, url: str, output_file: str, _: object) -> None:
        """Download the whole, or go on where it broke off; called by pooch."""
        for attempt in range(self._settings.attempts):
            try:
                self._connect()
                break
            except _BrokenOffError as error:
                _log.info("download of %s broke off (%s)", url, error)
                if attempt + 1 == self._settings.attempts:
                    raise _NotHadError(
                        f"{url}: gave up after {attempt + 1} tries ({error}); "
                        f"{self.arrived():,} bytes are kept, the next try goes on from there"
                    ) from error
                time.sleep(self._settings.backoff_s * 2**attempt)
        self._forget_version()
        with self.part.open("rb+") as file:
            os.fsync(file.fileno())
        self.part.replace(output_file)

    def arrived(self) -> int:
        """Bytes in the part file."""
        return self.part.stat().st_size if self.part.exists() else 0

    def _forget_version(self) -> None:
        """Delete the note of which version the part file belongs to."""
        self._version.unlink(missing_ok=True)

    def _connect(self) -> None:
        """One connection; returns only when all bytes are there."""
        if self._size_bytes is not None and self.arrived() == self._size_bytes:
            return
        response = self._open()
        if response is not None:
            with response:
                self._receive(response)

    def _open(self) -> http.client.HTTPResponse | None:
        """The server's answer; None if it says that nothing is missing."""
        try:
            return cast(
                http.client.HTTPResponse,
                self._opener.open(self._request(), timeout=self._settings.timeout_s),
            )
        except urllib.error.HTTPError as error:
            with error:
                self._refused(error)
            return None
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, DownloadError):  # a redirect that we do not follow
                raise
            if isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError):
                raise DownloadError(f"{self.url}: {error}") from error
            # Offline, another try mends nothing; a network that broke a moment ago may come back.
            if not self._was_reached and is_unreachable(error):
                host = urlsplit(self.url).hostname
                raise _NotHadError(f"{host} cannot be reached ({error.reason})") from error
            raise _BrokenOffError(str(error) or type(error).__name__) from error

    def _request(self) -> urllib.request.Request:
        headers = {"User-Agent": "vultus", "Accept-Encoding": "identity"}
        arrived = self.arrived()
        if arrived:
            headers["Range"] = f"bytes={arrived}-"
            if self._version.exists():
                headers["If-Range"] = self._version.read_text(encoding="ascii")
        return urllib.request.Request(self.url, headers=headers)  # noqa: S310 - check_url

    def _refused(self, error: urllib.error.HTTPError) -> None:
        if error.code == 416:
            if error.headers.get("Content-Range") == f"bytes */{self.arrived()}":
                return
            self.part.unlink(missing_ok=True)
            raise _BrokenOffError("the server's file is shorter than what is here") from error
        if error.code in _WORTH_RETRYING:
            raise _BrokenOffError(f"HTTP {error.code} {error.reason}") from error
        raise DownloadError(f"{self.url}: HTTP {error.code} {error.reason}") from error

    def _receive(self, response: http.client.HTTPResponse) -> None:
        self._was_reached = True
        start = self._start(response)
        length = response.headers.get("Content-Length")
        total = start + int(length) if length is not None and length.isdigit() else None
        self._check_total(total)
        check_space(self.part.parent, 0 if total is None else total - start)
        self._note_version(response.headers.get("ETag", ""))
        with full_disk_named(self.part), self.part.open("ab" if start else "wb") as file:
            done = start
            while chunk := self._read(response):
                file.write(chunk)
                done += len(chunk)
                self._check_total(done, exact=False)
                if self._progress is not None:
                    self._progress(done, self._size_bytes if total is None else total)
        expected = self._size_bytes if total is None else total
        if expected is not None and done < expected:
            raise _BrokenOffError(f"the connection ended after {done:,} of {expected:,} bytes")

    def _start(self, response: http.client.HTTPResponse) -> int:
        """Where the server's bytes belong: at the end of ours, or at the start of the file."""
        if response.status != 206:
            return 0
        match = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if match is None or int(match[1]) != self.arrived():
            self.part.unlink(missing_ok=True)
            raise _BrokenOffError("the server sent another range than it was asked for")
        return int(match[1])

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        try:
            return response.read(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _BrokenOffError(str(error) or type(error).__name__) from error

    def _check_total(self, total: int | None, *, exact: bool = True) -> None:
        wanted = self._size_bytes
        if total is None or (total <= MAX_FILE_BYTES and wanted is None):
            return
        if wanted is None or total > wanted or (exact and total != wanted):
            self.part.unlink(missing_ok=True)
            self._forget_version()
            limit = f"{MAX_FILE_BYTES:,} at most" if wanted is None else f"{wanted:,}"
            raise DigestError(f"{self.url} must give {limit} bytes, gives {total:,}; not taken")

    def _note_version(self, etag: str) -> None:
        # Only a strong tag says that the bytes are the same; a weak one cannot guard a resume.
        if etag.startswith('"') and etag.isascii():
            self._version.write_text(etag, encoding="ascii")
        else:
            self._forget_version()


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
        chunks = iter(partial(stream.read, _CHUNK), b"")
        place_copy(chunks, target, sha256=card.sha256, max_bytes=card.size_bytes or MAX_FILE_BYTES)


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
    packed = card.archive_sha256
    pack = target.with_name(target.name + ".pack.zip")
    try:
        if packed is None:
            size = card.size_bytes
            download(url, target, sha256=card.sha256, size_bytes=size, progress=progress)
            return
        download(url, pack, sha256=packed, progress=progress)
    except _NotHadError as error:
        raise DownloadError(
            f"{not_here(card, str(error))}; VULTUS_OFFLINE=1 keeps from trying"
        ) from error
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
