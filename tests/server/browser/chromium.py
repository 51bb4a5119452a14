"""A real Chromium, driven by its own protocol: no driver has to be installed beside it."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_START_S, _WAIT_S = 60, 20


@contextmanager
def running_chromium(profile: Path, *, camera: Path | None = None) -> Iterator["Chromium"]:
    """A headless Chromium; skips the test where there is none.

    Args:
        profile: An empty folder of its own.
        camera: What its camera shows, an MJPEG or Y4M file.
    """
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("needs a headless Chromium")
    command = [
        program,
        "--headless=new",
        "--no-sandbox",  # it may be root who runs the tests; the pages are our own
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--no-first-run",
        "--hide-scrollbars",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
    ]
    if camera is not None:
        command.append(f"--use-file-for-fake-video-capture={camera}")
    with (
        (profile / "log").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as process,
    ):
        try:
            with connect(_address(profile, process), max_size=None) as socket:
                yield Chromium(socket)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _address(profile: Path, process: subprocess.Popen[bytes]) -> str:
    told, until = profile / "DevToolsActivePort", time.monotonic() + _START_S
    while not told.exists() or len(told.read_text().split()) < 2:
        log = (profile / "log").read_text()
        assert process.poll() is None, f"Chromium ended: {log[-2000:]}"
        assert time.monotonic() < until, f"Chromium does not start: {log[-2000:]}"
        time.sleep(0.05)
    port, path = told.read_text().split()
    return f"ws://127.0.0.1:{port}{path}"


class Chromium:
    """The browser; opens pages that know nothing of each other."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._number = 0
        self._pages: dict[str, Page] = {}

    def open(self, address: str, *, size: tuple[int, int] = (1280, 860)) -> "Page":
        """A page in a session of its own: without the cookies of others."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)
        attached = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = Page(self, attached["sessionId"], address, context=context)
        self._pages[attached["sessionId"]] = page
        self.call(
            "Browser.grantPermissions", permissions=["videoCapture"], browserContextId=context
        )
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            page.call(f"{domain}.enable")
        page.look(size=size)
        page.go("/")
        return page

    def call(self, method: str, *, session: str | None = None, **params: Any) -> Any:
        """Ask the browser, and wait for what it says."""
        self._number += 1
        wanted = self._number
        asked = {"id": wanted, "method": method, "params": params}
        self._socket.send(json.dumps(asked | ({"sessionId": session} if session else {})))
        while True:
            told = json.loads(self._socket.recv(timeout=60))
            if told.get("id") == wanted:
                assert "error" not in told, (method, told)
                return told["result"]
            page = self._pages.get(told.get("sessionId", ""))
            if page is not None:
                page.heard(told["method"], told["params"])


class Page:
    """A page, looked at and used as people do: by what is written on it.

    Attributes:
        complaints: What the browser complained of: errors of scripts, what its policy forbade.
        asked: Every address that was asked for.
    """

    def __init__(self, browser: Chromium, session: str, address: str, *, context: str) -> None:
        self._browser, self._session, self._context = browser, session, context
        self.address = address
        self.complaints: list[str] = []
        self.asked: list[str] = []

    def call(self, method: str, **params: Any) -> Any:
        """Ask the browser of this page."""
        return self._browser.call(method, session=self._session, **params)

    def heard(self, method: str, params: dict[str, Any]) -> None:
        """What the browser tells by itself."""
        if method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"])[:1000])
        elif method == "Log.entryAdded":
            entry = params["entry"]
            # What the service refuses the page tells itself.
            if entry["source"] != "network" and entry["level"] in ("warning", "error"):
                self.complaints.append(entry["text"])
        elif method == "Network.requestWillBeSent":
            self.asked.append(params["request"]["url"])

    def close(self) -> None:
        """Close it, with its cookies."""
        self._browser.call("Target.disposeBrowserContext", browserContextId=self._context)

    def go(self, path: str) -> None:
        """Open an address of the service, anew also where only what is behind # differs."""
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=self.address + path)
        self.wait("document.readyState === 'complete' && document.querySelector('h1')")
        self.drawn()

    def drawn(self) -> None:
        """Wait until the screen has drawn all of its parts, and one can read them.

        What stands in a `details` that a script opened has no text before the next frame.
        """
        self.wait("document.querySelector('h1') && !document.querySelector('.screen.busy')")
        frame = "requestAnimationFrame(() => requestAnimationFrame(done)), setTimeout(done, 500)"
        self.run(f"new Promise((done) => {{ {frame} }})")

    def look(
        self, *, size: tuple[int, int] = (1280, 860), dark: bool = False, language: str = "en-GB"
    ) -> None:
        """How large, how dark, in which language the browser is from now on."""
        width, height = size
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=features)
        agent = self._browser.call("Browser.getVersion")["userAgent"]
        self.call("Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage=language)

    def run(self, script: str) -> Any:
        """What an expression gives; a promise is waited for."""
        told = self.call(
            "Runtime.evaluate",
            expression=script, awaitPromise=True, returnByValue=True, userGesture=True,
        )  # fmt: skip
        assert "exceptionDetails" not in told, (script, told["exceptionDetails"])
        return told["result"].get("value")

    def wait(self, script: str, *, seconds: float = _WAIT_S) -> None:
        """Wait until an expression is true."""
        until = time.monotonic() + seconds
        while True:
            try:
                if self.run(f"!!({script})"):
                    return
            except AssertionError:
                if time.monotonic() > until:
                    raise
            assert time.monotonic() < until, (script, self.text()[-1500:], self.complaints)
            time.sleep(0.03)

    def text(self) -> str:
        """What is written on the page."""
        return str(self.run("document.body ? document.body.innerText : ''"))

    def sees(self, text: str, *, seconds: float = _WAIT_S) -> None:
        """Wait until something is written there."""
        self.wait(f"document.body.innerText.includes({json.dumps(text)})", seconds=seconds)

    def click(self, text: str, *, within: str = "body") -> None:
        """Press the button, link or label on which that is written."""
        find = (
            f"[...document.querySelectorAll({json.dumps(within)})]"
            ".flatMap((one) => [...one.querySelectorAll('button, a, label, summary')])"
            f".find((one) => one.textContent.trim() === {json.dumps(text)} && !one.disabled)"
        )
        self.wait(find)
        self.run(f"{find}.click()")

    def fill(self, selector: str, value: str) -> None:
        """Write into a field, as if typed."""
        self.wait(f"document.querySelector({json.dumps(selector)})")
        self.run(
            f"(() => {{ const one = document.querySelector({json.dumps(selector)});"
            f"one.focus(); one.value = {json.dumps(value)};"
            "for (const kind of ['input', 'change'])"
            "one.dispatchEvent(new Event(kind, { bubbles: true })); })()"
        )

    def upload(self, selector: str, *photos: Path) -> None:
        """Choose files."""
        self.wait(f"document.querySelector({json.dumps(selector)})")
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(photo) for photo in photos])

    def press(self, key: str) -> None:
        """A key of the keyboard."""
        typed = {"Enter": "\r", " ": " "}.get(key, "")
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key,
                      windowsVirtualKeyCode={"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}[key],
                      text=typed if kind == "keyDown" else "")  # fmt: skip

    def picture(self, *, whole: bool = True) -> bytes:
        """A PNG of the page: all of it, or what the window shows."""
        told = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(told["data"])
