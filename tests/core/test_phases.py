from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from vultus.core.faces import Image
from vultus.core.phases import Phase, observing_phases, phase
from vultus.embedding.embedder import Embedder
from vultus.gallery.gallery import Gallery
from vultus.pipeline.recognizer import Recognizer


class Told:
    """Notes what it is told, as text."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextmanager
    def __call__(self, name: Phase, counts: Mapping[str, int]) -> Iterator[None]:
        self.lines.append(f"{name} {dict(counts)}")
        try:
            yield
        finally:
            self.lines.append(f"end of {name}")


def test_all_who_asked_are_told_of_the_beginning_and_the_end_also_of_what_fails() -> None:
    one, other = Told(), Told()
    with observing_phases(one):
        with (
            observing_phases(one, other),
            pytest.raises(ZeroDivisionError),
            phase("embed", faces=2),
        ):
            raise ZeroDivisionError
        with observing_phases(), phase("decode"):
            pass
        with phase("store"):
            pass
    with phase("detect"):
        pass
    assert other.lines == ["embed {'faces': 2}", "end of embed"]
    assert one.lines == [*other.lines, "store {}", "end of store"]


def test_a_thread_tells_by_the_context_that_it_is_given() -> None:
    def work() -> None:
        with phase("search"):
            pass

    told = Told()
    with observing_phases(told):
        for thread in (Thread(target=work), Thread(target=copy_context().run, args=(work,))):
            thread.start()
            thread.join()
    assert told.lines == ["search {}", "end of search"]


def test_enrolling_and_naming_tell_their_phases(
    tmp_path: Path, tiny_embedder: Embedder, hopper: Image
) -> None:
    recognizer, told = Recognizer(embedder=tiny_embedder, gate=None, righting=()), Told()
    with Gallery.open(tmp_path / "people.db", space=tiny_embedder.space) as gallery:
        with observing_phases(told):
            recognizer.enroll(gallery, "Grace", [hopper])
        begun = [line for line in told.lines if not line.startswith("end of")]
        assert begun[:2] == ["detect {'photos': 1}", "embed {'faces': 1}"]
        assert set(begun[2:]) == {"search {'faces': 1}", "store {}"}
        told.lines.clear()
        with observing_phases(told):
            (answer,) = recognizer.identify(hopper, gallery, threshold=0.5)
        assert answer.identity == "Grace"
        begun = [line for line in told.lines if not line.startswith("end of")]
        assert begun == ["detect {'photos': 1}", "embed {'faces': 1}", "search {'faces': 1}"]
        told.lines.clear()
        with observing_phases(told):
            blank = np.zeros((64, 64, 3), np.uint8)
            assert recognizer.identify(blank, gallery, threshold=0.5) == []
        assert "embed {'faces': 0}" in told.lines
