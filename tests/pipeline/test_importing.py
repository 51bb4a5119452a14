import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.gallery.gallery import Gallery
from vultus.image.io import write_image
from vultus.pipeline.importing import import_people
from vultus.pipeline.recognizer import Recognizer

GRACE, EILEEN = "Grace Hopper", "Eileen Collins"


@pytest.fixture
def recognizer(tiny_model: Path) -> Recognizer:
    return Recognizer(embedder=tiny_model, gate=None)


@pytest.fixture
def staff(hopper: Image, collins: Image, tmp_path: Path) -> Path:
    folder = tmp_path / "staff"
    for name, photo in ((GRACE, hopper), (EILEEN, collins)):
        (folder / name).mkdir(parents=True)
        write_image(folder / name / "0.png", photo)
    write_image(folder / GRACE / "x.png", np.zeros((200, 200, 3), np.uint8))
    return folder


def test_a_folder_is_imported_and_run_again_goes_on_where_it_was(
    recognizer: Recognizer, staff: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recognizer.open_gallery(tmp_path / "g.db") as gallery:
        first = import_people(recognizer, gallery, staff)
        assert {p.identity: p.added > 0 for p in first.people} == {GRACE: True, EILEEN: True}
        assert [photo["reason"] for photo in first.left_out] == ["without a face"]
        assert first.left_out[0]["identity"] == GRACE
        looked_at: list[str] = []
        seen = type(recognizer).analyse

        def counted(self, photos, **named):  # type: ignore[no-untyped-def]
            photos = list(photos)
            looked_at.extend(map(str, photos))
            return seen(self, photos, **named)

        monkeypatch.setattr(type(recognizer), "analyse", counted)
        again = import_people(recognizer, gallery, staff)
        assert looked_at == [str(staff / GRACE / "x.png")]
        assert (again.added, again.enrolled_before) == (0, first.added)
        assert again.without_photo == []
        page, sent = tmp_path / "left_out.html", again.to_dict()
        again.write_page(page, gallery="g.db", model="tiny")
        assert "x.png" in page.read_text(encoding="utf-8")
        assert stat.S_IMODE(page.stat().st_mode) & 0o077 in (0, 0o044)
        assert sent["left_out"][0]["photo"] == str(staff / GRACE / "x.png")


def test_photos_are_known_by_their_bytes_and_a_rerun_logs_nothing(
    recognizer: Recognizer, staff: Path, tmp_path: Path, hopper: Image
) -> None:
    (staff / GRACE / "x.png").unlink()
    table = tmp_path / "staff.csv"
    table.write_text(
        f"photo,name,desk\nstaff/{GRACE}/0.png,{GRACE},4\nstaff/{EILEEN}/0.png,{EILEEN},5\n",
        encoding="utf-8",
    )
    with recognizer.open_gallery(tmp_path / "g.db") as gallery:
        import_people(recognizer, gallery, table)
        head = gallery.audit.head()
        again = import_people(recognizer, gallery, table)
        assert (again.added, again.enrolled_before, gallery.audit.head()) == (0, 2, head)
        (staff / GRACE / "0.png").rename(staff / GRACE / "renamed.png")
        moved = import_people(recognizer, gallery, staff)
        assert (moved.added, moved.enrolled_before, moved.left_out) == (0, 2, [])
        write_image(staff / GRACE / "renamed.png", (hopper * 0.8).astype(np.uint8))
        changed = import_people(recognizer, gallery, staff)
        assert (changed.added, changed.enrolled_before) == (1, 1)
        assert gallery.person(GRACE).n_photos == 2


def test_a_table_brings_notes_and_metadata(
    recognizer: Recognizer, staff: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = Path("staff") / GRACE / "0.png"
    other = Path("staff") / EILEEN / "0.png"
    table = tmp_path / "staff.csv"
    table.write_text(
        "photo,name,external_id,groups,consent,consent_until,desk\n"
        f"{photo},{GRACE},17,navy;board,access,2090-01-01,4\n"
        f"{photo},{GRACE},,,,,\n"
        f'"{other}","{EILEEN}",,,,,\n'
        f"missing.jpg,Ada,,,,,\n",
        encoding="utf-8",
    )
    with recognizer.open_gallery(tmp_path / "g.db") as gallery:
        done = import_people(recognizer, gallery, table)
        assert [(p.identity, p.added) for p in done.people] == [(GRACE, 1), (EILEEN, 1), ("Ada", 0)]
        assert done.without_photo == ["Ada"]
        grace = gallery.person(GRACE)
        assert (grace.external_id, grace.groups, grace.metadata) == (
            *("17", ("board", "navy")),
            {"desk": "4"},
        )
        assert grace.expires_at == "2090-01-01T00:00:00+00:00"
        # Run again on another day, it does not say that the consent was given then.
        monkeypatch.setattr(
            "vultus.pipeline.people_source.now", lambda: "2029-01-01T00:00:00+00:00"
        )
        import_people(recognizer, gallery, table)
        assert gallery.person(GRACE).consent == grace.consent
        # Notes that were changed in the table are noted, though no photo is new.
        text = table.read_text(encoding="utf-8").replace("navy;board", "retired")
        table.write_text(text, encoding="utf-8")
        assert import_people(recognizer, gallery, table).added == 0
        assert gallery.person(GRACE).groups == ("retired",)


def test_whose_consent_is_over_is_left_out_and_others_come(
    recognizer: Recognizer, staff: Path, tmp_path: Path
) -> None:
    table = tmp_path / "staff.csv"
    table.write_text(
        "photo,name,consent,consent_until,retain_until\n"
        f"staff/{GRACE}/0.png,{GRACE},door,,2019-06-01\n"
        f"staff/{EILEEN}/0.png,{EILEEN},door,,\n"
        f"staff/{GRACE}/0.png,Ada,door,2019-06-01,\n",
        encoding="utf-8",
    )
    with recognizer.open_gallery(tmp_path / "g.db") as gallery:
        done = import_people(recognizer, gallery, table)
        assert [(p.identity, p.added) for p in done.people] == [(GRACE, 0), (EILEEN, 1), ("Ada", 0)]
        over = "of somebody whose consent or time is over"
        assert [photo["reason"] for photo in done.left_out] == [over, over]
        assert [person.identity for person in gallery.people()] == [EILEEN]


def test_a_source_that_is_none_is_refused(recognizer: Recognizer, tmp_path: Path) -> None:
    with (
        recognizer.open_gallery(tmp_path / "g.db") as gallery,
        pytest.raises(InputError, match="folder with one folder of photos per person, or a CSV"),
    ):
        import_people(recognizer, gallery, tmp_path / "none")


@pytest.mark.slow
def test_a_killed_import_goes_on_and_loses_nobody(
    staff: Path, tiny_model: Path, tmp_path: Path
) -> None:
    for number in range(12):  # refused as the same person, which takes its time as well
        shutil.copytree(staff / EILEEN, staff / f"{EILEEN} {number}")
    file = tmp_path / "g.db"
    command = [
        *(sys.executable, "-m", "vultus", "gallery", "import", str(file), str(staff)),
        *("--model", str(tiny_model), "--json"),
    ]
    rng = np.random.default_rng(0)
    for _ in range(6):
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ
        ) as process:
            time.sleep(float(rng.uniform(1, 8)))
            process.send_signal(signal.SIGKILL)
    subprocess.run(command, check=True, capture_output=True)
    with Gallery.open(file) as gallery:
        assert gallery.check() == []
        names = {person.identity for person in gallery.people()}
        assert {GRACE, EILEEN} <= names
