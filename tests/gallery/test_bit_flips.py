"""A flipped bit gives an error or a right answer, never a silent wrong one."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from tests.gallery.rounds import rounds

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import GalleryError
from vultus.gallery.events.event import NewEvent
from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery
from vultus.gallery.people.details import PersonDetails
from vultus.gallery.searching import templates
from vultus.gallery.security.master_key import MasterKey

PhotosOf = Callable[..., Embeddings]
N_PEOPLE = 40
N_EVENTS = 180
PAGE = 8192
KEY = MasterKey(bytes(range(32)))


def fill(path: Path, space: EmbeddingSpace, photos_of: PhotosOf, key: MasterKey | None) -> None:
    with Gallery.open(path, space=space, key=key) as gallery:
        with gallery.opened.store.transaction(write=True):
            for number in range(N_PEOPLE):
                details = PersonDetails(
                    external_id=f"id {number}",
                    metadata={"room": number},
                    groups=("staff",) if number % 2 else ("guests",),
                    retain_until=f"2031-01-01T00:00:{number:02}+00:00",
                )
                gallery.enroll(f"person {number}", photos_of(number, 2), details=details)
            write_events(gallery)
        gallery.remove("person 3")


def write_events(gallery: Gallery) -> None:
    """Three hours, by turns of some people and of nobody."""
    people = [gallery.person(f"person {number}").uid for number in range(5)]
    EventLog(gallery).extend(
        [
            NewEvent(
                type="left" if minute % 7 == 0 else "recognised",
                id=f"event {minute}",
                at=f"2026-11-30T{10 + minute // 60}:{minute % 60:02}",
                person=None if minute % 3 else people[minute % len(people)],
            )
            for minute in range(N_EVENTS)
        ]
    )
    EventLog(gallery).set_checkpoint("door", {"frame": N_EVENTS})


def of_person(gallery: Gallery) -> object:
    return EventLog(gallery).read(person=gallery.person("person 1").uid)


def written_again(gallery: Gallery) -> list[int]:
    """Positions of events that are there, which writing them again must not change."""
    again = [NewEvent(type="left", id=f"event {minute}") for minute in (1, 70, 179)]
    return EventLog(gallery).extend(again)


def questions(photos_of: PhotosOf) -> dict[str, Callable[[Gallery], object]]:
    """What is asked, each of a gallery of its own opening."""
    probe = photos_of(5, 2, first=2)
    return {
        "search": lambda g: g.search(probe, rank=N_PEOPLE),
        "search a group": lambda g: g.search(probe, rank=N_PEOPLE, groups=["staff"]),
        "templates": lambda g: g.template_set().vectors.tobytes(),
        "people": lambda g: list(g.people()),
        "person": lambda g: (g.person("person 7"), g.photos("person 7")),
        "by id": lambda g: g.person_by_external_id("id 9"),
        "groups": lambda g: dict(g.groups()),
        "how many": len,
        "nobody": lambda g: g.person_by_external_id("id 3"),
        "events": lambda g: EventLog(g).read(limit=1000),
        "events after": lambda g: EventLog(g).read(after=100, limit=9),
        "events of a type": lambda g: EventLog(g).read(types=["left"], after=40),
        "events of a time": lambda g: EventLog(g).read(since="2026-11-30T11:10"),
        "events of a person": of_person,
        "event": lambda g: EventLog(g).find("event 77"),
        "no event": lambda g: EventLog(g).find("event 1000"),
        "event counts": lambda g: EventLog(g).counts(),
        "event position": lambda g: EventLog(g).position(),
        "checkpoint": lambda g: EventLog(g).checkpoint("door"),
        "events again": written_again,
    }


def flipped(data: bytes, rng: np.random.Generator) -> bytes:
    """One bit flipped; each second time in the head of a page, which says where its rows are."""
    content = bytearray(data)
    place = int(rng.integers(len(content)))
    if rng.random() < 0.5:
        place = place // PAGE * PAGE + int(rng.integers(200))
    place = min(place, len(content) - 1)
    content[place] ^= 1 << int(rng.integers(8))
    return bytes(content)


def answered(
    path: Path, key: MasterKey | None, asked: Mapping[str, Callable[[Gallery], object]]
) -> list[tuple[str, object] | None]:
    """Question and answer, or None where there was an error."""
    answers: list[tuple[str, object] | None] = []
    try:
        with Gallery.open(path, key=key) as gallery:
            for name, ask in asked.items():
                try:
                    answers.append((name, ask(gallery)))
                except GalleryError:
                    answers.append(None)
            try:
                gallery.check()
            except GalleryError as error:
                pytest.fail(f"what is wrong must be told, not raised: {error}")
    except GalleryError:
        answers.append(None)
    return answers


@pytest.mark.parametrize("kind", ["plain", "index", "key"])
@pytest.mark.parametrize("times", [25, pytest.param(rounds(200), marks=pytest.mark.slow)])
@pytest.mark.timeout(7200)
def test_a_flipped_bit_gives_an_error_or_the_right_answer(
    tmp_path: Path,
    space: EmbeddingSpace,
    photos_of: PhotosOf,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    times: int,
) -> None:
    monkeypatch.setattr(templates, "WORTH_A_FILE", 10 if kind == "index" else 10**6)
    path, key, rng = tmp_path / "g.db", KEY if kind == "key" else None, np.random.default_rng(0)
    fill(path, space, photos_of, key)
    asked = questions(photos_of)
    with Gallery.open(path, key=key) as gallery:
        right = {name: ask(gallery) for name, ask in asked.items()}
    good = {file: file.read_bytes() for file in sorted(tmp_path.iterdir())}
    assert (Path(f"{path}-index") in good) == (kind == "index")
    told, silent = 0, []
    for _ in range(times):
        for file in tmp_path.iterdir():
            file.unlink()
        for file, data in good.items():
            file.write_bytes(data)
            file.chmod(0o600)
        damaged = list(good)[int(rng.integers(len(good)))] if kind == "index" else path
        damaged.write_bytes(flipped(good[damaged], rng))
        answers = answered(path, key, asked)
        told += answers.count(None)
        wrong = [a for a in answers if a is not None and a[1] != right[a[0]]]
        silent += [(damaged.name, name) for name, _ in wrong]
    assert silent == []
    told += sum("made again" in record.message for record in caplog.records)
    assert told  # else nothing was damaged
