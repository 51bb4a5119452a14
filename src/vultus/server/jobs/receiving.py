"""A zip or a film received for a job: sealed as it comes, as the body or as a part of a form."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from fastapi import Request
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool

from vultus.server.jobs.job_store import JobStore, NewUpload
from vultus.server.jobs.uploads import UploadWriter
from vultus.server.problems import ProblemError

_FORM = "multipart/form-data"
_ANY = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be uploaded.

    Attributes:
        what: It in words.
        field: Of a form that has it.
        kind: What the documentation says that it is sent as.
        kinds: What it may be sent as; one that ends with ``/`` stands for all that begin so.
    """

    what: str
    field: str
    kind: str
    kinds: tuple[str, ...]

    def takes(self, kind: str) -> bool:
        """Whether it may be sent as that."""
        return any(kind == one or (one[-1] == "/" and kind.startswith(one)) for one in self.kinds)


ZIP = Wanted("a zip", "photos", "application/zip", ("application/x-zip-compressed", _ANY))
FILM = Wanted("a film", "film", "video/mp4", ("video/", "image/gif", "application/mp4", _ANY))


def body(wanted: Wanted = ZIP) -> dict[str, object]:
    """For the documentation of an operation: what `received` takes."""
    binary = {"type": "string", "format": "binary"}
    form = {"type": "object", "required": [wanted.field], "properties": {wanted.field: binary}}
    content = {wanted.kind: {"schema": binary}, _FORM: {"schema": form}}
    return {"requestBody": {"required": True, "content": content}}


@asynccontextmanager
async def received(
    request: Request, store: JobStore, wanted: Wanted = ZIP
) -> AsyncIterator[NewUpload]:
    """What is uploaded, whole on the disk; removed if the block raises.

    Args:
        request: What comes.
        store: Where it is kept.
        wanted: What it is to be.

    Raises:
        ProblemError: If it is of another kind, empty, or the disk takes no more.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    form = kind == _FORM.encode()
    told = kind.decode("latin-1")
    if not form and told != wanted.kind and not wanted.takes(told):
        raise ProblemError(
            415,
            "unsupported-media-type",
            f"send {wanted.what} as {wanted.kind}, or as the file {wanted.field!r} of {_FORM}",
        )
    place = await run_in_threadpool(store.place)
    writer: UploadWriter | None = None
    try:
        writer = await run_in_threadpool(UploadWriter, place.pieces, place.key)
        boundary = options.get(b"boundary", b"")
        chunks = _part(request, boundary, wanted.field) if form else request.stream()
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


async def _part(request: Request, boundary: bytes, field: str) -> AsyncIterator[bytes]:
    """The bytes of the one file of a form, as they come."""
    parts = _Parts(field)
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
        raise ProblemError(422, "invalid-input", f"the form must have one file {field!r}")


class _Parts:
    """Listens to a parser of forms."""

    def __init__(self, field: str) -> None:
        self._field = field
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
            if options.get(b"name") == self._field.encode() and b"filename" in options:
                self._wanted = True
                self.files += 1
        self._name = self._value = b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._wanted and self.files == 1:
            self.found.append(bytes(data[start:end]))
