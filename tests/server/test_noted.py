from collections.abc import Callable
from pathlib import Path

from vultus.pipeline.recognizer import Recognizer
from vultus.server.noted import ENROLMENTS, MERGES, Noted


def test_the_newest_are_kept(tmp_path: Path, recognizer: Callable[[], Recognizer]) -> None:
    with recognizer().open_gallery(tmp_path / "people.db") as gallery:
        noted = Noted(gallery, MERGES)
        assert noted.find("a") is None
        with gallery.changing():
            for number in range(30):
                noted.add(str(number), number)
            noted.add("12", "again")
        assert [noted.find(str(number)) for number in (0, 9, 10, 11, 12, 29)] == [
            *(None, None, 10, 11, "again", 29)
        ]
        assert Noted(gallery, ENROLMENTS).find("29") is None
