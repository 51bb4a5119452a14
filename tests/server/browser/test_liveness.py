"""A session of movements before the camera."""

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.liveness.session.heads import landmarks, picture
from tests.liveness.session.lit import POINTS, screen
from tests.server.browser.chromium import Page
from tests.server.browser.conftest import LogIn
from tests.server.browser.test_reading import _findings

from vultus.core.faces import Image
from vultus.liveness.session.challenge import Challenge
from vultus.liveness.session.lights import Light
from vultus.liveness.session.session import Seen
from vultus.pipeline.recognizer import Recognizer
from vultus.server.access import Role
from vultus.server.context import Context
from vultus.server.live_sessions import LiveSessions

pytestmark = pytest.mark.browser

Poses = list[tuple[float, float]]
Play = Callable[[Poses], None]
WORDS = Path(__file__).parents[3] / "src" / "vultus" / "server" / "page" / "words"
AHEAD: Poses = [(0, 0)] * 4
NODS: Poses = [*AHEAD, (0, 4), (0, 9), *[(0.0, 14.0)] * 200]
TURNS: Poses = [*AHEAD, (8, 0), (18, 0), *[(25.0, 0.0)] * 200]


@pytest.fixture
def play(context: Context, monkeypatch: pytest.MonkeyPatch, hopper: Image) -> Play:
    """Whatever the camera shows, a head is seen in these poses, and is asked to nod."""
    face = context.recognizer.embed_face(hopper)
    rng = np.random.default_rng(0)
    poses: list[Iterator[tuple[float, float]]] = []

    def looked(_: Recognizer, image: Image, *, time_s: float, sent_s: float | None) -> Seen:
        assert sent_s is not None
        yaw, pitch = next(poses[-1])
        noisy = picture(yaw, pitch) + rng.normal(0, 3, (240, 240, 3))
        return Seen(
            time_s=time_s,
            image=np.clip(noisy, 0, 255).astype(np.uint8),
            n_faces=1,
            landmarks=landmarks(yaw, pitch),
            embedding=face,
            sent_s=sent_s,
        )

    monkeypatch.setattr("vultus.server.routes.liveness_sessions.look", looked)
    monkeypatch.setattr(
        "vultus.server.live_sessions.draw_challenge",
        lambda n, **_: Challenge(movements=("nod",), nonce="a" * 32),
    )
    return lambda made: poses.append(iter(made))


def _opened(page: Page) -> None:
    page.go("/#/people/liveness")
    page.sees("It is a signal, no proof")
    page.run(
        "void (() => { const place = document.querySelector('.prompt'); window.said = [];"
        "new MutationObserver(() => window.said.push(place.innerText.trim()))"
        ".observe(place, { childList: true }); })()"
    )


def _fits(page: Page) -> bool:
    """Whether words and sign are within their box, and nothing lies over them."""
    return bool(
        page.run(
            "(() => { const edge = (one) => one.getBoundingClientRect();"
            "const box = edge(document.querySelector('.prompt'));"
            "return [...document.querySelectorAll('.prompt > *')].every((one) =>"
            "edge(one).bottom <= box.bottom && edge(one).top >= box.top"
            "&& edge(one).left >= box.left && edge(one).right <= box.right); })()"
        )
    )


def _said(page: Page) -> list[str]:
    return list(page.run("window.said"))


def _words(language: str, key: str) -> str:
    told = json.loads((WORDS / f"{language}.json").read_text(encoding="utf-8"))
    return str(told[key])


def _sees_why(page: Page, language: str) -> None:
    """One picture comes again and again; or, for a while, there is nobody before the camera."""
    words = [_words(language, f"session_end.{code}") for code in ("repeated-frames", "no-face")]
    page.wait(f"{json.dumps(words)}.some((one) => document.body.innerText.includes(one))")


def _comes_to(page: Page, text: str, *, again: Callable[[], None], button: str) -> None:
    """A session comes to this end; where the machine stood still for seconds, one tries again.

    Frames that stop coming end a session, and a busy machine may stop them.
    """
    stood_still = _words("en", "session_end.repeated-frames")
    for _ in range(4):
        page.wait(
            f"{json.dumps([text, stood_still])}.some((one) =>"
            "document.body.innerText.includes(one))",
            seconds=60,
        )
        if page.run(f"document.body.innerText.includes({json.dumps(text)})"):
            return
        again()
        page.run("window.said = []")
        page.click(button)
        page.wait(f"!document.body.innerText.includes({json.dumps(stood_still)})")
    raise AssertionError(f"never came to {text!r}: {page.text()[-500:]}")


def test_a_camera_that_shows_one_picture_is_rejected(log_in: LogIn) -> None:
    page = log_in(Role.reader)
    _opened(page)
    page.click("Start the camera and begin")
    page.sees("Rejected", seconds=60)
    _sees_why(page, "en")
    assert "Look straight into the camera" in _said(page)
    page.wait("!document.querySelector('video')")  # the camera is off
    page.fill("#language", "zh")
    page.click("打开摄像头并开始")
    page.sees("未通过", seconds=60)
    _sees_why(page, "zh")


def test_what_is_asked_is_said_and_drawn(log_in: LogIn, play: Play) -> None:
    page = log_in(Role.reader)
    _opened(page)
    _accepted(page, play)
    asked = ["Look straight into the camera", "Nod: chin down", "Hold still"]
    assert [said for said in _said(page) if said in asked] == asked  # each once
    page.sees("That is a signal, no proof")
    frames = [url for url in page.asked if "/frames?" in url]
    assert len(frames) >= 8
    assert all("sent_ms=" in url for url in frames)


def test_another_movement_ends_it_and_one_tries_again_by_keyboard(
    log_in: LogIn, play: Play
) -> None:
    play(TURNS)
    page = log_in(Role.reader)
    _opened(page)
    page.run("document.querySelector('.session button').focus()")
    page.press("Enter")
    wrong = _words("en", "session_end.wrong-movement")
    _comes_to(page, wrong, again=lambda: play(TURNS), button="Try again")
    assert page.run("document.activeElement.textContent") == "Try again"
    play(NODS)
    page.press("Enter")
    _comes_to(page, "Accepted", again=lambda: play(NODS), button="Try again")
    page.press("Enter")
    page.wait("document.querySelector('video')?.videoWidth > 0")
    page.press("Enter")  # stopped
    page.wait("!document.querySelector('video')")
    assert page.run("document.activeElement.textContent") == "Start the camera and begin"
    assert not page.run("document.querySelector('.warning')")


def test_leaving_turns_the_camera_off(log_in: LogIn, play: Play) -> None:
    play(AHEAD * 200)
    page = log_in(Role.reader)
    _opened(page)
    page.click("Start the camera and begin")
    page.sees("Nod: chin down", seconds=60)
    page.run("void (window.track = document.querySelector('video').srcObject.getTracks()[0])")
    page.click("Compare", within="nav")
    # Well before the eight seconds after which the session would end by itself.
    page.wait("window.track.readyState === 'ended'", seconds=4)
    asked = len([url for url in page.asked if "/frames?" in url])
    page.run("new Promise((done) => setTimeout(done, 600))")
    assert len([url for url in page.asked if "/frames?" in url]) <= asked + 1


def _accepted(page: Page, play: Play) -> None:
    play(NODS)
    page.click("Start the camera and begin")
    _comes_to(page, "Accepted", again=lambda: play(NODS), button="Try again")


def test_a_session_names_once_who_was_before_the_camera(log_in: LogIn, play: Play) -> None:
    page = log_in(Role.reader)
    _opened(page)
    _accepted(page, play)
    page.sees("It holds for one decision")
    page.click("Identify with this session")
    page.sees("The session is used up")
    asked = [url for url in page.asked if "/galleries/people/identify" in url]
    assert len(asked) == 1
    assert "live_session=" in asked[0]
    assert not page.run("document.body.innerText.includes('Identify with this session')")


def test_a_session_for_a_comparison(log_in: LogIn, play: Play) -> None:
    page = log_in(Role.reader)
    _opened(page)
    page.fill("#session-use", "compare")
    _accepted(page, play)
    page.sees("Choose the photo to compare with")
    begun = [url for url in page.asked if "/v1/liveness/sessions" in url]
    assert begun
    assert not any("gallery=" in url for url in begun)


def test_movements_are_named_in_both_languages(log_in: LogIn, play: Play) -> None:
    play(TURNS)
    page = log_in(Role.reader)
    _opened(page)
    page.click("Start the camera and begin")
    made = "Asked: nod. Made: turn to the left."
    _comes_to(page, made, again=lambda: play(TURNS), button="Try again")
    assert not page.run("document.body.innerText.includes('turn_left')")
    play(TURNS)
    page.fill("#language", "zh")
    page.click("打开摄像头并开始")
    page.sees("点头", seconds=60)
    page.sees("向左转头")
    page.sees("所做的动作与要求不同")


LIGHTS: tuple[Light, ...] = ("red", "blue", "green")


@pytest.fixture
def lit(context: Context, monkeypatch: pytest.MonkeyPatch, hopper: Image) -> None:
    """Before the camera somebody nods, and is lit by what the screen is asked to show."""
    object.__setattr__(
        context, "settings", context.settings.model_copy(update={"liveness_lights": True})
    )
    face = context.recognizer.embed_face(hopper)
    rng, pitches = np.random.default_rng(0), iter([*([0.0] * 4), 4.0, 8.0, 12.0, *([14.0] * 200)])
    lights = screen()

    def looked(_: Recognizer, image: Image, *, time_s: float, sent_s: float | None) -> Seen:
        assert isinstance(context.live_sessions, LiveSessions)
        (held,) = context.live_sessions._held.values()
        progress = held.session.progress
        if progress.state in ("lit", "holding"):
            image, points = lights(progress.light, rng), POINTS
        else:
            pitch = next(pitches)
            noisy = picture(0, pitch, px=24) + rng.normal(0, 3, (240, 240, 3))
            image = np.clip(noisy, 0, 255).astype(np.uint8)
            points = landmarks(0, pitch, px=24)
        return Seen(
            time_s=time_s, image=image, n_faces=1, landmarks=points, embedding=face, sent_s=sent_s
        )

    monkeypatch.setattr("vultus.server.routes.liveness_sessions.look", looked)
    monkeypatch.setattr(
        "vultus.server.live_sessions.draw_challenge",
        lambda n, *, lights: Challenge(
            movements=("nod",), nonce="a" * 32, lights=LIGHTS[:lights], lights_s=(1.1,) * 3
        ),
    )


@pytest.mark.usefixtures("lit")
def test_the_screen_lights_the_face_as_is_asked(log_in: LogIn, axe: str) -> None:
    page = log_in(Role.reader)
    _opened(page)
    page.sees("changing less than once a second")
    page.run(
        "void (() => { const light = document.querySelector('.screen-light'); window.lit = [];"
        "new MutationObserver(() => window.lit.push([light.dataset.light, performance.now()]))"
        ".observe(light, { attributes: true, attributeFilter: ['data-light'] }); })()"
    )
    page.click("Start the camera and begin")
    page.wait("document.querySelector('.screen-light').dataset.light", seconds=60)
    page.sees("it lights your face")
    assert _findings(page, axe) == []
    # It fills all of the screen, and what is said and the button that stops it lie above.
    for words in (".prompt-words", ".session button"):
        assert page.run(
            f"(() => {{ const one = document.querySelector('{words}');"
            "const box = one.getBoundingClientRect();"
            "return one.contains(document.elementFromPoint("
            "box.left + box.width / 2, box.top + box.height / 2)); })()"
        )
    assert page.run("document.elementFromPoint(2, 2).className") == "screen-light"
    page.sees("Accepted", seconds=60)
    told = page.run("window.lit")
    assert [light for light, _ in told] == [*LIGHTS, None]
    times = [time for _, time in told]
    assert all(b - a >= 1000 for a, b in itertools.pairwise(times))  # not once a second
    assert page.run("getComputedStyle(document.querySelector('.screen-light')).display") == "none"


@pytest.mark.usefixtures("lit")
def test_who_asks_for_less_motion_allows_it_first(log_in: LogIn) -> None:
    page = log_in(Role.reader)
    page.call(
        "Emulation.setEmulatedMedia",
        features=[{"name": "prefers-reduced-motion", "value": "reduce"}],
    )
    _opened(page)
    assert page.run("document.querySelector('.session button').disabled")
    page.run("document.querySelector('#allow-lights').click()")
    assert not page.run("document.querySelector('.session button').disabled")
    page.run("document.querySelector('#allow-lights').click()")
    assert page.run("document.querySelector('.session button').disabled")


def test_no_colours_unless_the_service_has_them(log_in: LogIn, play: Play) -> None:
    play(NODS)
    page = log_in(Role.reader)
    _opened(page)
    assert not page.run("document.body.innerText.includes('changing less than once a second')")


def test_axe_finds_nothing_serious(log_in: LogIn, axe: str, play: Play) -> None:
    page = log_in(Role.reader)
    for size, dark in (((1280, 860), False), ((1280, 860), True), ((360, 740), False)):
        page.look(size=size, dark=dark)
        _opened(page)
        assert _findings(page, axe) == [], (size, dark)
        play(TURNS)
        page.click("Start the camera and begin")
        page.sees("Rejected", seconds=60)
        assert _findings(page, axe) == [], (size, dark)
        assert page.run("document.documentElement.scrollWidth") <= size[0]
        assert _fits(page), (size, dark)
        play(AHEAD * 200)
        page.click("Try again")
        page.sees("Nod: chin down", seconds=60)
        assert _findings(page, axe) == [], (size, dark)
        assert page.run("document.documentElement.scrollWidth") <= size[0]
        assert _fits(page), (size, dark)
