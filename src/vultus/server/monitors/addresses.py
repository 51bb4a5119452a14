"""What a monitor may watch: what the operator allows, and nothing else of this machine or network.

A stream is opened at the address that was checked, not at its name again; what comes from there
must be pictures: a playlist, or an answer that sends on elsewhere, would have the service read
where it should not.
"""

import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit, urlunsplit

from vultus.core.errors import InputError
from vultus.server.settings import ServerSettings
from vultus.server.webhooks.addresses import Address, Network, is_public, is_within
from vultus.video.sources.address import scheme_of
from vultus.video.sources.base import Source
from vultus.video.sources.container import Opening
from vultus.video.sources.live import LiveSource, Patience
from vultus.video.sources.opening import camera_opening, open_source

Kind = Literal["stream", "camera", "film"]

LONGEST_ADDRESS = 2000
_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
_SECURE = ("rtsps", "https")
FORMATS = (
    *("mpjpeg", "mjpeg", "mpegts", "matroska", "webm", "mov", "mp4", "flv", "live_flv", "avi"),
    *("asf", "h264", "hevc", "mpeg", "mpegvideo", "m4v", "ogg", "ivf", "gif", "apng"),
    *("jpeg_pipe", "png_pipe", "webp_pipe"),
)
"""What FFmpeg may take a stream for: formats that hold pictures, and no addresses."""
_RTSP_FORMATS = ("rtsp", "rtp", "sdp", "mpegts", "asf")
_CAMERA = re.compile(r"(?:camera:|/dev/video)(\d{1,4})")


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the operator lets monitors watch.

    Attributes:
        networks: Networks whose cameras are trusted: they may be private, and asked by RTSP or in
            the clear.
        cameras: Numbers of this machine's cameras.
        folder: Where films lie; None for no films.
    """

    networks: tuple[Network, ...] = ()
    cameras: tuple[int, ...] = ()
    folder: Path | None = None

    @staticmethod
    def by(settings: ServerSettings) -> "Allowed":
        """As the settings have it."""
        folder = settings.monitor_folder
        return Allowed(
            tuple(settings.monitor_networks),
            settings.monitor_cameras,
            None if folder is None else folder.resolve(),
        )


def kind_of(address: str) -> Kind:
    """What an address is of, by its form alone.

    Example:
        >>> kind_of("rtsp://camera/1"), kind_of("camera:0"), kind_of("door/monday.mkv")
        ('stream', 'camera', 'film')
    """
    if scheme_of(address) is not None:
        return "stream"
    return "camera" if _CAMERA.fullmatch(address) else "film"


def shown_address(address: str) -> str:
    """What is told of an address: of a stream its host alone, as paths may hold passwords, too.

    Example:
        >>> shown_address("rtsp://admin:s3cret@10.0.0.7:554/user=admin&password=s3cret")
        'rtsp://10.0.0.7:554'
    """
    if kind_of(address) != "stream":
        return address
    parts = _parts(address)
    host, port = str(parts.hostname), parts.port
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + ("" if port is None else f":{port}")


def check_address(address: str, allowed: Allowed) -> None:
    """Refuse what may not be watched; a stream's name is looked up.

    Raises:
        InputError: If it may not; the message repeats nothing that may be a secret.
    """
    kind = kind_of(address)
    if kind == "stream":
        _looked_up(_parts(address), allowed)
    elif kind == "camera":
        _check_camera(address, allowed)
    else:
        _film(address, allowed)


def open_address(
    address: str, allowed: Allowed, *, name: str, patience: Patience | None = None
) -> Source:
    """What a monitor watches.

    Args:
        address: Where; it is checked again, a stream's before each connection.
        allowed: What may be.
        name: What events call it.
        patience: With streams and cameras.

    Raises:
        InputError: If it may not be watched (any more).
        VideoError: If it cannot be opened.
        MissingDependencyError: If PyAV is not installed.
    """
    kind = kind_of(address)
    patience = Patience() if patience is None else patience
    if kind == "film":
        return open_source(_film(address, allowed), name=name)
    if kind == "camera":
        _check_camera(address, allowed)
        return LiveSource(camera_opening(address, name=name), name=name, patience=patience)
    return LiveSource(
        _stream_opening(address, allowed, name, patience.timeout_s), name=name, patience=patience
    )


def _stream_opening(
    address: str, allowed: Allowed, name: str, timeout_s: float
) -> Callable[[], Opening]:
    parts = _parts(address)

    def opening() -> Opening:
        found, is_allowed = _looked_up(parts, allowed)
        secure = parts.scheme in _SECURE
        # By TLS the certificate says whose address it is; the name is needed for that.
        where = address if secure else _at(parts, found)
        options = _options(parts, trusted=is_allowed)
        return Opening(where, name, options=options, timeout_s=timeout_s)

    return opening


def _options(parts: SplitResult, *, trusted: bool) -> dict[str, str]:
    secure = parts.scheme in _SECURE
    if parts.scheme.startswith("rtsp"):
        options = {
            "rtsp_transport": "tcp",
            "protocol_whitelist": "rtsp,rtsps,rtp,tcp" + (",tls" if secure else ""),
            "format_whitelist": ",".join(_RTSP_FORMATS),
        }
    else:
        options = {
            "protocol_whitelist": "https,tls,tcp" if secure else "http,tcp",
            "format_whitelist": ",".join(FORMATS),
            "max_redirects": "0",
        }
        if not secure:
            options["headers"] = f"Host: {parts.netloc.rpartition('@')[2]}\r\n"
    if secure and not trusted:
        # A camera in a network of the operator's has a certificate that nobody signed.
        options |= {"tls_verify": "1"} | _authorities()
    return options


def _authorities() -> dict[str, str]:
    paths = ssl.get_default_verify_paths()
    file = paths.cafile or paths.openssl_cafile
    return {"ca_file": file}


def _parts(address: str) -> SplitResult:
    if len(address) > LONGEST_ADDRESS or not address.isascii() or not address.isprintable():
        raise InputError(f"a stream's address must be up to {LONGEST_ADDRESS} characters of ASCII")
    scheme = scheme_of(address)
    if scheme is None or scheme not in _PORTS:
        raise InputError(
            f"a stream's address must begin with one of {', '.join(_PORTS)} and '://'; this one "
            "does not"
        )
    # FFmpeg takes all up to the last @ for user and password; so must who checks the host.
    place = re.split(r"[/?#]", address.partition("://")[2].rpartition("@")[2], maxsplit=1)[0]
    try:
        parts = urlsplit(address)
        told = urlsplit(f"{scheme}://{place}")
        agree = (told.hostname, told.port) == (parts.hostname, parts.port)
    except ValueError:
        agree = False
    if not agree or not parts.hostname or " " in address or "\\" in address:
        raise InputError(
            "a stream's address must be scheme://host:port/path, and user and password in it must "
            "be percent-encoded"
        )
    return parts


def _looked_up(parts: SplitResult, allowed: Allowed) -> tuple[Address, bool]:
    """The address to connect to, and whether it is of a network that the operator allows."""
    port = _PORTS[parts.scheme] if parts.port is None else parts.port
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise InputError("the name of the stream's host has no address") from error
    addresses = [ip_address(str(place[4][0]).partition("%")[0]) for place in found]
    inside = [is_within(address, allowed.networks) for address in addresses]
    for address, is_allowed in zip(addresses, inside, strict=True):
        if not is_allowed and not is_public(address):
            raise InputError(
                "a stream must be at a public address; this one leads to a private, local or "
                "reserved one, which the operator must allow by the setting monitor_networks"
            )
        if not is_allowed and parts.scheme != "https":
            # By RTSP a server may send its reader on to any other, which nothing here would check.
            raise InputError(
                f"a stream at a public address must be at https, got {parts.scheme}; rtsp, rtsps "
                "and http are for networks that the operator allows by the setting monitor_networks"
            )
    return addresses[0], inside[0]


def _at(parts: SplitResult, address: Address) -> str:
    """The same with the host's number for its name."""
    user, at, _ = parts.netloc.rpartition("@")
    host = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
    port = "" if parts.port is None else f":{parts.port}"
    return urlunsplit((parts.scheme, f"{user}{at}{host}{port}", parts.path, parts.query, ""))


def _check_camera(address: str, allowed: Allowed) -> None:
    found = _CAMERA.fullmatch(address)
    if found is None or int(found[1]) not in allowed.cameras:
        raise InputError(
            "cameras of this machine are watched where the operator allows their numbers by the "
            "setting monitor_cameras; this one is not allowed"
        )


def _film(address: str, allowed: Allowed) -> Path:
    if allowed.folder is None:
        raise InputError(
            "a monitor's address must be that of a stream (rtsp://, rtsps://, http://, https://), "
            "or camera:0 or a film's name where the operator allows them by the settings "
            "monitor_cameras and monitor_folder"
        )
    refused = InputError(
        "there is no such film in the folder that the setting monitor_folder names"
    )
    if "\0" in address or len(address) > LONGEST_ADDRESS:
        raise refused
    try:
        path = (allowed.folder / address).resolve()
        # Not asked of what is elsewhere: nobody is to learn by this what lies where.
        if not path.is_relative_to(allowed.folder) or path == allowed.folder:
            raise refused
        if not (path.is_file() or path.is_dir()):
            raise refused
    except (OSError, ValueError, RuntimeError) as error:
        if error is refused:
            raise
        raise refused from error
    return path


def told_error(error: Exception, allowed: Allowed) -> str:
    """What is told of an error of opening or reading, without where the films lie."""
    text = str(error)
    return text if allowed.folder is None else text.replace(f"{allowed.folder}/", "")
