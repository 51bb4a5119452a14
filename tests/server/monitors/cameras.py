"""Cameras that tests make themselves: one photo, sent again and again by RTSP or HTTP."""

import io
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import numpy.typing as npt
from PIL import Image as PilImage

Image = npt.NDArray[np.uint8]
_PACKET = 7 * 188


def transport_stream(image: Image, *, frames: int, fps: int) -> bytes:
    """A film of one picture, as MPEG-TS."""
    import av

    told = io.BytesIO()
    with av.open(told, "w", format="mpegts") as file:
        stream = file.add_stream("mpeg2video", rate=fps)
        stream.height, stream.width, stream.pix_fmt = *image.shape[:2], "yuv420p"
        stream.gop_size = 1  # so that one can begin anywhere
        stream.bit_rate = 4_000_000
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = number
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return told.getvalue()


class RtspCamera:
    """A server of RTSP that sends a transport stream inside its connection (RFC 2326, 10.12).

    Args:
        film: MPEG-TS; the connection breaks at its end.
        seconds: How long sending it takes.

    Attributes:
        asked: First lines of the requests that came.
    """

    def __init__(self, film: bytes, *, seconds: float) -> None:
        self._film, self._seconds = film, seconds
        self.asked: list[str] = []
        self.plays = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._end.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        with suppress(OSError):
            while not self._end.is_set():
                line = self._listener.accept()[0]
                threading.Thread(target=self._talk, args=(line,), daemon=True).start()

    def _talk(self, line: socket.socket) -> None:
        with line, suppress(OSError):
            buffer = b""
            while data := line.recv(4096):
                buffer += data
                while b"\r\n\r\n" in buffer:
                    head, buffer = buffer.split(b"\r\n\r\n", 1)
                    self._answer(line, head.decode())

    def _answer(self, line: socket.socket, head: str) -> None:
        first, *rest = head.split("\r\n")
        self.asked.append(first)
        fields = {k.lower(): v.strip() for k, _, v in (one.partition(":") for one in rest)}
        method, more, body = first.split(" ")[0], "", ""
        if method == "OPTIONS":
            more = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
        elif method == "DESCRIBE":
            body = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\n"
            more = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
        elif method == "SETUP":
            more = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n"
        told = f"RTSP/1.0 200 OK\r\nCSeq: {fields.get('cseq', '1')}\r\n{more}\r\n{body}"
        line.sendall(told.encode())
        if method == "PLAY":
            self.plays += 1
            self._send(line)
            line.shutdown(socket.SHUT_RDWR)

    def _send(self, line: socket.socket) -> None:
        pieces = [self._film[at : at + _PACKET] for at in range(0, len(self._film), _PACKET)]
        for number, piece in enumerate(pieces):
            if self._end.wait(self._seconds / len(pieces)):
                return
            stamp = int(number / len(pieces) * self._seconds * 90_000)
            packet = struct.pack("!BBHII", 0x80, 33, number & 0xFFFF, stamp, 1) + piece
            line.sendall(struct.pack("!cBH", b"$", 0, len(packet)) + packet)


class HttpCamera(ThreadingHTTPServer):
    """A camera by HTTP: motion JPEG of what `image` is at the moment.

    Attributes:
        image: What it sees.
        broken: Whether connections break, and none is answered.
        asked: The addresses that were asked, and their headers.
    """

    daemon_threads = True

    def __init__(self, image: Image) -> None:
        super().__init__(("127.0.0.1", 0), _MotionJpeg)
        self.image, self.broken, self.pause_s = image, False, 0.04
        self.asked: list[tuple[str, dict[str, str]]] = []


class _MotionJpeg(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        camera = self.server
        assert isinstance(camera, HttpCamera)
        camera.asked.append((self.path, dict(self.headers.items())))
        if camera.broken:
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=b")
        self.end_headers()
        with suppress(OSError):
            while not camera.broken:
                data = io.BytesIO()
                PilImage.fromarray(camera.image).save(data, "JPEG", quality=92)
                body = data.getvalue()
                head = f"--b\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
                self.wfile.write(head.encode() + body + b"\r\n")
                time.sleep(camera.pause_s)

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def http_camera(image: Image) -> Iterator[HttpCamera]:
    """A camera by HTTP that runs."""
    camera = HttpCamera(image)
    thread = threading.Thread(target=camera.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield camera
    finally:
        camera.broken = True
        camera.shutdown()
        camera.server_close()
