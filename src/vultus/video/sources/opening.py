"""`open_source`: what a text names, as the command line takes it."""

import re
import sys
from datetime import datetime
from pathlib import Path

from vultus.core.errors import VideoError
from vultus.video.sources.address import STREAM_SCHEMES, public_address, scheme_of
from vultus.video.sources.base import Source
from vultus.video.sources.container import Opening
from vultus.video.sources.folder import FrameFolder
from vultus.video.sources.live import LiveSource, Patience
from vultus.video.sources.video_file import VideoFile

_CAMERA = re.compile(r"camera:(\d+)")
_FORMATS = {"linux": ("v4l2", "/dev/video{}"), "darwin": ("avfoundation", "{}"),
            "win32": ("dshow", "video={}")}  # fmt: skip


def open_source(
    text: str | Path,
    *,
    name: str | None = None,
    fps: float = 25.0,
    began_at: datetime | None = None,
    patience: Patience | None = None,
) -> Source:
    """Open a source of frames.

    Args:
        text: A video file or an animated picture, a folder of frames, ``camera:0`` or a device
            (``/dev/video0``), or an address (rtsp, http, https, rtmp, udp, tcp, srt).
        name: What events call it; None takes the file's name, or the address without user,
            password and query.
        fps: Frames a second of a folder.
        began_at: When the first frame of a file or folder was taken; see `VideoFile`.
        patience: How a lost stream is sought again.

    Raises:
        VideoError: If it is none of these, or cannot be read.
        MissingDependencyError: If PyAV is needed and not installed.
    """
    address = str(text)
    scheme = scheme_of(address)
    if scheme is not None:
        if scheme not in STREAM_SCHEMES:
            raise VideoError(
                f"a stream's address begins with one of {', '.join(STREAM_SCHEMES)} and '://', got "
                f"{scheme!r}"
            )
        public = public_address(address)
        options = {"rtsp_transport": "tcp"} if scheme.startswith("rtsp") else {}
        timeout_s = (patience or Patience()).timeout_s
        opening = Opening(address, public, options=options, timeout_s=timeout_s)
        return LiveSource(opening, name=name or public, patience=patience)
    if _is_camera(address):
        return LiveSource(camera_opening(address), name=name or address, patience=patience)
    path = Path(text)
    if path.is_dir():
        return FrameFolder(path, name=name, fps=fps, began_at=began_at)
    return VideoFile(path, name=name, began_at=began_at)


def camera_opening(text: str, *, name: str | None = None) -> Opening:
    """How a camera of this machine is opened.

    Args:
        text: ``camera:0`` or a device.
        name: What messages call it; None takes the text.
    """
    found = _CAMERA.fullmatch(text)
    kind, pattern = _FORMATS.get(sys.platform, _FORMATS["linux"])
    device = text if found is None else pattern.format(found[1])
    return Opening(device, name or text, format=kind)


def _is_camera(text: str) -> bool:
    return re.fullmatch(r"camera:\d+|/dev/video\d+", text) is not None
