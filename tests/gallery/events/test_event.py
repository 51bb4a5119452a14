from typing import Any

import pytest

from vultus.core.errors import InputError
from vultus.gallery.events import event
from vultus.gallery.events.event import NewEvent, event_time, register_event_type


def test_an_event_is_made_plain() -> None:
    made = NewEvent(
        type="recognised",
        id=" door/1 ",
        at="2026-11-30T11:00:00.1239+01:00",
        source="door",
        data={"box_xyxy": (1, 2.5, 3, 4), "deep": {"er": [None, True]}},
    )
    assert made.id == "door/1"
    assert made.at == "2026-11-30T10:00:00.123+00:00"
    assert made.data == {"box_xyxy": [1, 2.5, 3, 4], "deep": {"er": [None, True]}}
    assert NewEvent(type="left").id != NewEvent(type="left").id


def test_times_sort_as_text() -> None:
    times = [
        "2026-11-30",
        "2026-11-30T00:00:00.001",
        "2026-11-30T02:00+01:00",
        "2026-11-30T01:00:01Z",
    ]
    made = [event_time("at", time) for time in times]
    assert made == sorted(made)
    assert len({len(time) for time in made}) == 1


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"type": "recogniced"}, "did you mean 'recognised'"),
        ({"id": ""}, "1 to 200 characters"),
        ({"id": "a" * 201}, "1 to 200 characters"),
        ({"id": "a\nb"}, "control characters"),
        ({"source": ""}, "1 to 200 characters"),
        ({"at": "yesterday"}, "at must be a time"),
        ({"at": 5}, "at must be a time"),
        ({"person": "Ada"}, "32 hexadecimal digits"),
        ({"person": b"a" * 32}, "32 hexadecimal digits"),
        ({"data": [1]}, "must be a mapping"),
        ({"data": {"x": float("nan")}}, "fit for JSON"),
        ({"data": {"x": object()}}, "fit for JSON"),
        ({"data": {"x": "a" * 20_000}}, "16384 bytes"),
        ({"data": {"x": {"vector": [0.0] * 65}}}, "vectors do not belong"),
    ],
)
def test_what_is_no_event_is_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        NewEvent(**{"type": "left", **fields})


def test_types_are_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event, "EVENT_TYPES", dict(event.EVENT_TYPES))
    with pytest.raises(InputError):
        NewEvent(type="door_opened")
    register_event_type("door_opened", "the door was opened")
    register_event_type("door_opened", "the door was opened")
    assert NewEvent(type="door_opened").type == "door_opened"
    with pytest.raises(InputError, match="already"):
        register_event_type("door_opened", "something else")
    for name in ("", "Door", "1st", "a" * 41, "a b"):
        with pytest.raises(InputError, match="small letters"):
            register_event_type(name, "")
