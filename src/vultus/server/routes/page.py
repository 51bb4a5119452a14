"""The page: its files, as they lie in the package."""

from functools import cache
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath

from fastapi import APIRouter, Request, Response

from vultus.server.problems import ProblemError

router = APIRouter(include_in_schema=False)

_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
_STYLE = ("templates", "style.css")
"""What the page looks like, as every report."""
_HEADERS = {
    # No script and no style but those of its own files, nothing from elsewhere; `blob:` is what a
    # photo that the user chose is shown as.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; media-src blob:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cache-Control": "no-cache",  # asked for again each time, by the digest of what is there
}


@router.get("/")
def page(request: Request) -> Response:
    """The page itself."""
    return _file(request, "index.html")


@router.get("/page/{name:path}")
def page_file(request: Request, name: str) -> Response:
    """A script, a style or the words of the page."""
    return _file(request, name)


def _file(request: Request, name: str) -> Response:
    found = page_files().get(name)
    if found is None:
        raise ProblemError(404, "not-found", "the page has no such file")
    data, kind = found
    headers = {**_HEADERS, "ETag": f'"{sha256(data).hexdigest()[:32]}"'}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=kind, headers=headers)


@cache
def page_files() -> dict[str, tuple[bytes, str]]:
    """The files of the page by name: what is in each, and its media type."""
    style = files("vultus.pages").joinpath(*_STYLE).read_bytes()
    found = {"style.css": (style, _KINDS[".css"])}
    _collect(files("vultus.server").joinpath("page"), "", found)
    return found


def _collect(folder: Traversable, prefix: str, found: dict[str, tuple[bytes, str]]) -> None:
    for entry in folder.iterdir():
        if entry.is_dir():
            _collect(entry, f"{prefix}{entry.name}/", found)
        elif (kind := _KINDS.get(PurePosixPath(entry.name).suffix)) is not None:
            found[prefix + entry.name] = (entry.read_bytes(), kind)
