"""Download one file: resumed where it broke off, checked by its digest, in place at once."""

import http.client
import logging
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from vultus.core.errors import DigestError, DownloadError
from vultus.models.placement import MAX_FILE_BYTES, check_space, full_disk_named, place

__all__ = ["DownloadSettings", "Progress", "download"]

_log = logging.getLogger(__name__)

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are here and the bytes in all (None if the server does not say)."""

_CHUNK = 1 << 16
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_WORTH_RETRYING = (408, 425, 429, 500, 502, 503, 504)
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


@dataclass(frozen=True, slots=True)
class DownloadSettings:
    """How patient a download is.

    Attributes:
        timeout_s: Seconds without a byte after which a connection counts as dead.
        attempts: Connections made before giving up.
        backoff_s: Pause before the second connection; doubles with each one after.
    """

    timeout_s: float = 30.0
    attempts: int = 5
    backoff_s: float = 1.0


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
    settings = DownloadSettings() if settings is None else settings
    _check_url(url, plain_allowed=True)
    transfer = _Transfer(url, target, size_bytes, progress, settings.timeout_s)
    was_begun = transfer.arrived() > 0
    _complete(transfer, settings)
    try:
        place(transfer.part, target, sha256=sha256)
    except DigestError:
        if not was_begun:
            raise
        # The old beginning may have been the bad part; it is deleted, so start once more.
        _complete(transfer, settings)
        place(transfer.part, target, sha256=sha256)


def _complete(transfer: "_Transfer", settings: DownloadSettings) -> None:
    for attempt in range(settings.attempts):
        try:
            transfer.run()
            break
        except _BrokenOffError as error:
            _log.info("download of %s broke off (%s)", transfer.url, error)
            if attempt + 1 == settings.attempts:
                raise DownloadError(
                    f"{transfer.url}: gave up after {settings.attempts} tries ({error}); "
                    f"{transfer.arrived():,} bytes are kept, the next try goes on from there"
                ) from error
            time.sleep(settings.backoff_s * 2**attempt)
    transfer.forget_version()


class _Transfer:
    """Brings the bytes of one address into the part file, over one or more connections."""

    def __init__(
        self,
        url: str,
        target: Path,
        size_bytes: int | None,
        progress: Progress | None,
        timeout_s: float,
    ) -> None:
        self.url = url
        self.part = target.with_name(target.name + ".part")
        self._version = target.with_name(target.name + ".part.etag")
        self._size_bytes = size_bytes
        self._progress = progress
        self._timeout_s = timeout_s
        self._opener = urllib.request.build_opener(_SafeRedirects)

    def arrived(self) -> int:
        """Bytes in the part file."""
        return self.part.stat().st_size if self.part.exists() else 0

    def forget_version(self) -> None:
        """Delete the note of which version the part file belongs to."""
        self._version.unlink(missing_ok=True)

    def run(self) -> None:
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
                self._opener.open(self._request(), timeout=self._timeout_s),
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
            raise _BrokenOffError(str(error) or type(error).__name__) from error

    def _request(self) -> urllib.request.Request:
        headers = {"User-Agent": "vultus", "Accept-Encoding": "identity"}
        arrived = self.arrived()
        if arrived:
            headers["Range"] = f"bytes={arrived}-"
            if self._version.exists():
                headers["If-Range"] = self._version.read_text(encoding="ascii")
        return urllib.request.Request(self.url, headers=headers)  # noqa: S310 - _check_url

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
            self.forget_version()
            limit = f"{MAX_FILE_BYTES:,} at most" if wanted is None else f"{wanted:,}"
            raise DigestError(f"{self.url} must give {limit} bytes, gives {total:,}; not taken")

    def _note_version(self, etag: str) -> None:
        # Only a strong tag says that the bytes are the same; a weak one cannot guard a resume.
        if etag.startswith('"') and etag.isascii():
            self._version.write_text(etag, encoding="ascii")
        else:
            self.forget_version()


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https only; plain http only from loopback to loopback."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: object,
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        _check_url(newurl, plain_allowed=req.type == "http")
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _check_url(url: str, *, plain_allowed: bool) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if plain_allowed and parts.scheme == "http" and parts.hostname in _LOOPBACK:
        return
    raise DownloadError(f"a model's address must be https://..., got {url!r}; it was not opened")
