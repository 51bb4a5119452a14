import io
from datetime import UTC, datetime

import numpy as np
import pytest
from rich.console import Console

from vultus.cli.video.watch_view import LiveView, event_words, view_table, watch_view
from vultus.core.results import Candidate, Identification
from vultus.core.thresholds import Threshold
from vultus.gallery.events.event import Event
from vultus.video.frame import Frame
from vultus.video.shown import Shown, WatchCounts


def shown(identity: str | None, reasons: tuple[str, ...] = ()) -> Shown:
    answer = None
    if not reasons:
        answer = Identification((Candidate("Ada", 0.8123),), Threshold(0.5), 0.01, 1)
    points = np.zeros((5, 2), np.float32)
    return Shown(7, np.zeros(4, np.float32), points, identity, answer, 1.5, reasons)


def event(kind: str, identity: str | None = None, **data: object) -> Event:
    at = datetime(2026, 3, 1, tzinfo=UTC).isoformat()
    return Event(
        position=1,
        id="door/1/7",
        type=kind,
        at=at,
        written_at=at,
        source="door",
        person=None,
        identity=identity,
        data={"track": 7, "end_s": 2.5, **data},
    )


FRAME = Frame(50, 2.0, np.zeros((4, 4, 3), np.uint8), 3)
COUNTS = WatchCounts(frames=51, dropped=3, seconds=2.0)


def test_the_view_says_who_is_here_since_when_and_how_fast() -> None:
    console = Console(file=io.StringIO(), width=100)
    faces = [shown("[b]Ada\x1b[2J"), shown(None), shown(None, ("too small",))]
    console.print(view_table(FRAME, faces, COUNTS, ["2.50 s  left"]))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[b]Ada\\x1b[2J" in text
    assert "\x1b" not in text
    for part in ("unknown", "cannot be judged", "1.5 s", "0.812", "0.500", "left"):
        assert part in text
    assert "51 frames, 26 a second, 3 dropped" in text


def test_the_view_is_drawn_some_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[object] = []

    class Live:
        def update(self, table: object) -> None:
            drawn.append(table)

    view, clock = LiveView(Live()), iter([10.0, 10.0, 10.1, 10.2, 10.3, 10.3])
    monkeypatch.setattr("vultus.cli.video.watch_view.time.monotonic", lambda: next(clock))
    for _ in range(4):
        view.frame(FRAME, [], COUNTS)
    assert len(drawn) == 2


def test_without_a_terminal_each_event_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with watch_view(wanted=True) as view:
        view.frame(FRAME, [shown("Ada")], COUNTS)
        view.events([event("recognised", "Ada\n", similarity=0.8, threshold=0.5)])
    out = capsys.readouterr().out
    assert out == "    2.50 s  track 7  recognised  Ada\\n  (similarity 0.800, limit 0.500)\n"


def test_reasons_are_told() -> None:
    assert event_words(event("refused", reasons=["too small", "dark"])).endswith(
        "refused  (too small; dark)"
    )
