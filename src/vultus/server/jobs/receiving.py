"""A zip received for a job: sealed as it comes, as the body or as a part of a form."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from fastapi import Request
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool

from vultus.server.jobs.job_store import JobStore, NewUpload
from vultus.server.jobs.uploads import UploadWriter
from vultus.server.problems import ProblemError

FIELD = "photos"
_RAW = ("application/zip", "application/x-zip-compressed", "application/octet-stream")
_FORM = "multipart/form-data"


def body() -> dict[str, object]:
    """For the documentation of an operation: what `received` takes."""
    binary = {"type": "string", "format": "binary"}
    form = {"type": "object", "required": [FIELD], "properties": {FIELD: binary}}
    content = {"application/zip": {"schema": binary}, _FORM: {"schema": form}}
    return {"requestBody": {"required": True, "content": content}}


@asynccontextmanager
async def received(request: Request, store: JobStore) -> AsyncIterator[NewUpload]:
    """What is uploaded, whole on the disk; removed if the block raises.

    Raises:
        ProblemError: If it is of another kind, empty, or the disk takes no more.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    form = kind == _FORM.encode()
    if not form and kind.decode("latin-1") not in _RAW:
        raise ProblemError(
            415,
            "unsupported-media-type",
            f"send a zip as application/zip, or as the file {FIELD!r} of {_FORM}",
        )
    place = await run_in_threadpool(store.place)
    writer: UploadWriter | None = None
    try:
        writer = await run_in_threadpool(UploadWriter, place.file, place.key)
        chunks = _part(request, options.get(b"boundary", b"")) if form else request.stream()
        async for chunk in chunks:
            await run_in_threadpool(writer.write, chunk)
        await run_in_threadpool(lambda: writer.close(whole=True))
        if not writer.size:
            raise ProblemError(422, "invalid-input", "what was sent is empty")
        yield replace(place, size=writer.size, digest=writer.digest)
    except BaseException as error:
        if writer is not None:
            writer.close(whole=False)
        store.drop(place)
        if isinstance(error, OSError):
            raise ProblemError(
                503, "no-room", "the service cannot keep what was sent; come again later"
            ) from error
        raise


async def _part(request: Request, boundary: bytes) -> AsyncIterator[bytes]:
    """The bytes of the one file of a form, as they come."""
    parts = _Parts()
    try:
        parser = MultipartParser(boundary, parts.callbacks())  # type: ignore[arg-type]
        async for chunk in request.stream():
            parser.write(chunk)
            if parts.found:
                yield b"".join(parts.found)
                parts.found.clear()
        parser.finalize()
    except MultipartParseError as error:
        raise ProblemError(422, "invalid-input", "the form cannot be read") from error
    if parts.files != 1:
        raise ProblemError(422, "invalid-input", f"the form must have one file {FIELD!r}")


class _Parts:
    """Listens to a parser of forms."""

    def __init__(self) -> None:
        self.found: list[bytes] = []
        self.files = 0
        self._name, self._value = b"", b""
        self._wanted = False

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_part_data": self._data,
        }

    def _begin(self) -> None:
        self._wanted = False

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            _, options = parse_options_header(self._value)
            if options.get(b"name") == FIELD.encode() and b"filename" in options:
                self._wanted = True
                self.files += 1
        self._name = self._value = b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._wanted and self.files == 1:
            self.found.append(bytes(data[start:end]))
