import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vultus import Recognizer
from vultus.core.errors import GalleryKeyError, ImageError, InputError, NoFaceError
from vultus.core.faces import Image
from vultus.gallery.gallery import Gallery
from vultus.gallery.people.roster import Roster
from vultus.image.io import write_image
from vultus.pipeline.enrolment import enroll_folder, folder_gallery, people_of_folder, size_note
from vultus.pipeline.photos import Skipped, tell_note


@pytest.fixture
def people(hopper: Image, collins: Image, rocket: Image, tmp_path: Path) -> Path:
    root = tmp_path / "people"
    for name, image in (
        ("eileen/1.png", collins),
        ("grace/1.png", hopper),
        ("grace/2.png", rocket),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(root / name, image)
    return root


def test_a_folder_is_enrolled_and_searched(
    people: Path, hopper: Image, rocket: Image, tiny_model: Path
) -> None:
    recognizer = Recognizer(embedder=tiny_model, gate=None)
    skipped, told = Skipped(), list[int]()
    with folder_gallery(
        recognizer,
        people,
        on_error=skipped,
        progress=lambda what, done, total: told.append(done),
    ) as gallery:
        assert told == [0, 1, 2]
        assert [(p.identity, p.n_photos) for p in gallery.identities()] == [
            ("eileen", 1),
            ("grace", 1),
        ]
        unknown = Skipped()
        found = list(
            recognizer.identify_many(
                [hopper[:, ::-1], rocket], gallery, threshold=0.5, on_error=unknown
            )
        )
        assert [[answer.identity for answer in answers] for _, answers in found] == [["grace"]]
        assert unknown.photos == [
            {"photo": "photo 2", "error": "no face found", "reason": "without a face"}
        ]
        with pytest.raises(NoFaceError):
            list(recognizer.identify_many([rocket], gallery, threshold=0.5))
    assert [item["photo"] for item in skipped.photos] == [str(people / "grace" / "2.png")]


def test_what_is_no_folder_of_people_is_refused(tmp_path: Path, tiny_model: Path) -> None:
    recognizer = Recognizer(embedder=tiny_model, gate=None)
    with recognizer.open_gallery(tmp_path / "gallery.db") as gallery:
        with pytest.raises(InputError, match="there is no folder"):
            enroll_folder(recognizer, gallery, tmp_path / "none")
        (tmp_path / "empty").mkdir()
        with pytest.raises(InputError, match="one folder of photos per person"):
            enroll_folder(recognizer, gallery, tmp_path / "empty")


def test_a_person_without_a_photo_is_told_and_others_are_enrolled(
    people: Path, tiny_model: Path, tmp_path: Path
) -> None:
    (people / "anna").mkdir()
    recognizer, skipped = Recognizer(embedder=tiny_model, gate=None), Skipped()
    with recognizer.open_gallery(tmp_path / "gallery.db") as gallery:
        enrolled = enroll_folder(recognizer, gallery, people, on_error=skipped)
        assert enrolled == {"anna": 0, "eileen": 1, "grace": 1}
        assert skipped.photos[0]["photo"] == str(people / "anna")
        with pytest.raises(ImageError):
            enroll_folder(recognizer, gallery, people)


def test_who_collects_no_notes_finds_them_in_the_log(
    people: Path, tiny_model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recognizer = Recognizer(embedder=tiny_model, gate=None)
    with recognizer.open_gallery(tmp_path / "gallery.db") as gallery:
        (people / "grace" / "2.png").unlink()
        assert size_note(recognizer, gallery, dict.fromkeys("abc", 1)) is None
        note = size_note(recognizer, gallery, {str(number): 1 for number in range(101)})
        assert note is not None
        tell_note(None, note)
    assert "reaches 101 people" in caplog.text


def test_the_size_is_told_without_the_list_of_all_people(
    people: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recognizer = Recognizer(embedder=tiny_model, gate=None)
    with recognizer.open_gallery(tmp_path / "gallery.db") as gallery:
        enroll_folder(recognizer, gallery, people, on_error=Skipped())
        n_people = len(gallery)

        def listed(self: Roster) -> None:
            raise AssertionError("everybody was opened")

        monkeypatch.setattr(Roster, "members", listed)
        names = [f" {path.name} " for path in people.iterdir()]  # who are enrolled already
        coming = {str(number): 1 for number in range(101)} | dict.fromkeys(names, 2)
        note = size_note(recognizer, gallery, coming)
    assert note is not None
    assert note.details["people"] == 101 + n_people


def test_what_is_not_used_of_a_folder_of_people_is_one_note(people: Path) -> None:
    (people / "grace" / "film.mov").touch()
    (people / "eileen" / "film.mov").touch()
    (people / "everybody.png").touch()
    skipped = Skipped()
    people_of_folder(people, on_error=skipped)
    assert [note.text for note in skipped.notes] == [
        f"{people}: left out: 3 files (2 .mov, 1 .png in no person's folder)"
    ]


KILLED = r"""
import os, signal, sys
from vultus import Recognizer
from vultus.pipeline.enrolment import folder_gallery
from vultus.pipeline.photos import Skipped

people, model = sys.argv[1:]
with folder_gallery(
    Recognizer(embedder=model, gate=None), people, on_error=Skipped()
) as gallery:
    for person in gallery.people():
        print(person.identity)
    print(gallery.template_set().vectors.tobytes().hex(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="kills")
def test_what_a_killed_process_leaves_of_a_folders_gallery_opens_nowhere(
    people: Path, tiny_model: Path, tmp_path: Path
) -> None:
    left = tmp_path / "left"
    left.mkdir()
    (people / "eileen").rename(people / "Eileen Zyxmark")
    (people / "grace").rename(people / "Grace Zyxmark")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(people), str(tiny_model)],
        env={**os.environ, "TMPDIR": str(left)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    *names, vectors = done.stdout.split("\n")[:-1]
    assert names == ["Eileen Zyxmark", "Grace Zyxmark"]
    files = [file for file in left.rglob("*") if file.is_file()]
    content = b"".join(file.read_bytes() for file in files)
    (gallery,) = [file for file in files if file.name == "gallery.db"]
    with pytest.raises(GalleryKeyError, match="sealed"):
        Gallery.open(gallery)
    size = len(bytes.fromhex(vectors)) // 2
    secrets = [b"Zyxmark", bytes.fromhex(vectors)[:size], bytes.fromhex(vectors)[size:]]
    assert [secret for secret in secrets if secret in content] == []
