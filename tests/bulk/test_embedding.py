import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.bulk import world
from tests.bulk.conftest import InProcess

from vultus.bulk.embedding import KILLED, UNREADABLE, embed_photos
from vultus.bulk.face_table import NO_FACE
from vultus.bulk.run_folder import RunFolder
from vultus.bulk.workers import Workers
from vultus.core.errors import InputError, ProviderError, RegistryError
from vultus.pipeline.analyser import Analyser
from vultus.pipeline.face_files import embed_to_file


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_faces_are_those_of_the_plain_loop(
    analyser: Analyser, photo_folder: Path, tmp_path: Path
) -> None:
    told: list[tuple[str, int, int]] = []
    report = embed_photos(
        [photo_folder], tmp_path / "run", analyser=analyser, workers=InProcess(), part_photos=5,
        progress=lambda *what: told.append(what),
    )  # fmt: skip
    photos = sorted(photo_folder.rglob("*.png"))
    plain, _ = embed_to_file(analyser, photos, tmp_path / "plain.npz")
    run = RunFolder(tmp_path / "run")
    faces = run.faces()
    np.testing.assert_allclose(faces.embeddings.vectors, plain.vectors, atol=1e-6)
    np.testing.assert_allclose(faces.embeddings.norms, plain.norms, rtol=1e-6)
    assert faces.embeddings.quality is not None
    assert [Path(run.photos[place].name).name for place in faces.photos] == [
        path.name for path in photos if path.name not in ("broken.png", "empty.png")
    ]
    assert report.photos == 14
    assert report.faces == 12
    assert report.problems == {NO_FACE: 1, UNREADABLE: 1}
    assert [done for _, done, _ in told] == [0, 5, 10, 14]


def test_every_photo_has_a_row_with_its_digest_or_its_problem(
    analyser: Analyser, photo_folder: Path, tmp_path: Path
) -> None:
    embed_photos([photo_folder], tmp_path / "run", analyser=analyser, workers=InProcess())
    rows = [row for table in RunFolder(tmp_path / "run").tables() for row in table.to_pylist()]
    assert [row["place"] for row in rows] == list(range(14))
    by_name = {Path(row["photo"]).name: row for row in rows}
    assert by_name["empty.png"]["problem"] == NO_FACE
    assert by_name["broken.png"]["embedding"] is None
    assert "broken.png" in by_name["broken.png"]["problem"] or by_name["broken.png"]["problem"]
    assert all(len(row["sha256"]) == 64 for row in rows)
    assert by_name["03.png"]["box_xyxy"] == [0, 0, 64, 64]
    assert by_name["03.png"]["refused"] == []


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(killers=st.sets(st.integers(0, 13)), part=st.integers(1, 14))
def test_photos_that_kill_are_found_and_nothing_else_is_set_aside(
    killers: set[int], part: int, analyser: Analyser, photo_folder: Path, tmp_path: Path
) -> None:
    photos = sorted(map(str, photo_folder.rglob("*.png")))
    workers = InProcess([photos[number] for number in killers])
    shutil.rmtree(tmp_path / "run", ignore_errors=True)
    report = embed_photos(
        [photo_folder], tmp_path / "run", analyser=analyser, workers=workers, part_photos=part
    )
    assert report.set_aside == tuple(photos[number] for number in sorted(killers))
    rows = [row for table in RunFolder(tmp_path / "run").tables() for row in table.to_pylist()]
    assert [row["place"] for row in rows] == list(range(14))
    assert {row["place"] for row in rows if row["problem"] == KILLED} == killers


def test_a_part_that_dies_for_no_photo_ends_the_run_with_what_to_do(
    analyser: Analyser, photo_folder: Path, tmp_path: Path
) -> None:
    class TooMuch(InProcess):
        def _dies(self, arguments: object) -> bool:
            assert isinstance(arguments, tuple)
            return len(arguments[1]) > 7

    with pytest.raises(ProviderError, match=r"photos 1 to 14 .* too little memory"):
        embed_photos([photo_folder], tmp_path / "run", analyser=analyser, workers=TooMuch())


def test_a_run_goes_on_only_with_the_same_photos_and_settings(
    analyser: Analyser, photo_folder: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "photos"
    shutil.copytree(photo_folder, copy)
    work = {"analyser": analyser, "workers": InProcess()}
    embed_photos([copy], tmp_path / "run", part_photos=5, **work)  # type: ignore[arg-type]
    before = contents(tmp_path / "run")
    again = embed_photos([copy], tmp_path / "run", part_photos=5, **work)  # type: ignore[arg-type]
    assert (again.done_before, again.faces) == (14, 0)
    with pytest.raises(InputError, match=r"other settings \(part_photos\)"):
        embed_photos([copy], tmp_path / "run", part_photos=6, **work)  # type: ignore[arg-type]
    shutil.copy(copy / "a" / "00.png", copy / "a" / "new.png")
    (copy / "b" / "07.png").unlink()
    with pytest.raises(InputError, match="1 are new and 1 are gone"):
        embed_photos([copy], tmp_path / "run", part_photos=5, **work)  # type: ignore[arg-type]
    assert contents(tmp_path / "run") == before
    with pytest.raises(InputError, match="must be new, empty"):
        embed_photos([copy], copy, **work)  # type: ignore[arg-type]


def test_an_unfinished_or_damaged_run_is_not_read_as_a_whole_one(
    analyser: Analyser, photo_folder: Path, tmp_path: Path
) -> None:
    embed_photos(
        [photo_folder], tmp_path / "run", analyser=analyser, workers=InProcess(), part_photos=5
    )
    run = RunFolder(tmp_path / "run")
    whole = run.part_path(1).read_bytes()
    run.part_path(1).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="Parquet"):
        run.faces()
    run.part_path(1).unlink()
    with pytest.raises(InputError, match="1 of 3 parts are missing"):
        run.faces()
    embed_photos(
        [photo_folder], tmp_path / "run", analyser=analyser, workers=InProcess(), part_photos=5
    )
    assert run.part_path(1).read_bytes() == whole
    (tmp_path / "run" / "run.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        RunFolder(tmp_path / "run")


def test_what_is_kept_is_for_its_owner_only(
    analyser: Analyser, photo_folder: Path, tmp_path: Path
) -> None:
    embed_photos([photo_folder], tmp_path / "run", analyser=analyser, workers=InProcess())
    for path in [tmp_path / "run", *(tmp_path / "run").rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_real_processes_give_the_same_bytes(
    analyser: Analyser, photo_folder: Path, two_workers: Workers, tmp_path: Path
) -> None:
    for name, workers in (("here", InProcess()), ("there", two_workers)):
        embed_photos(
            [photo_folder], tmp_path / name, analyser=analyser, workers=workers, part_photos=3
        )
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


def test_an_error_of_a_worker_is_told_here(
    photo_folder: Path, two_workers: Workers, tmp_path: Path, tiny_model: Path
) -> None:
    gone = Analyser(detector="no-such-detector", embedder=tiny_model, gate=None, threads=1)
    with pytest.raises(RegistryError, match="no-such-detector"):
        embed_photos([photo_folder], tmp_path / "run", analyser=gone, workers=two_workers)


@pytest.mark.slow
def test_a_photo_that_kills_real_processes_is_named(
    analyser: Analyser, photo_folder: Path, two_workers: Workers, tmp_path: Path
) -> None:
    copy = tmp_path / "photos"
    shutil.copytree(photo_folder, copy)
    cv2.imwrite(str(copy / "a" / "deadly.png"), np.zeros((9, world.DEADLY, 3), np.uint8))
    report = embed_photos(
        [copy], tmp_path / "run", analyser=analyser, workers=two_workers, part_photos=4
    )
    assert report.set_aside == (str(copy / "a" / "deadly.png"),)
    assert report.faces == 12


@pytest.mark.slow
def test_a_photo_that_hangs_real_processes_is_named(
    analyser: Analyser,
    photo_folder: Path,
    two_workers: Workers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copy = tmp_path / "photos"
    shutil.copytree(photo_folder, copy)
    cv2.imwrite(str(copy / "a" / "endless.png"), np.zeros((9, world.ENDLESS, 3), np.uint8))
    monkeypatch.setattr(two_workers, "hangs_after_s", 15.0)
    report = embed_photos(
        [copy], tmp_path / "run", analyser=analyser, workers=two_workers, part_photos=2
    )
    assert report.set_aside == (str(copy / "a" / "endless.png"),)
    assert report.faces == 12


KILLED_CLIENT = """
import sys
import cloudpickle
from pathlib import Path
sys.path.insert(0, sys.argv[4])
from tests.bulk import world
from vultus.bulk.embedding import embed_photos
from vultus.bulk.workers import open_workers
from vultus.pipeline.analyser import Analyser

if __name__ == "__main__":
    cloudpickle.register_pickle_by_value(world)
    analyser = Analyser(
        detector=world.WholePhoto(0.02), embedder=Path(sys.argv[3]), gate=None, threads=1
    )
    with open_workers(n=2) as workers:
        print("open", flush=True)
        embed_photos(
            [sys.argv[1]], sys.argv[2], analyser=analyser, workers=workers, part_photos=2
        )
        print("finished", flush=True)
"""


@pytest.mark.slow
def test_client_and_workers_killed_at_any_time_change_nothing(
    analyser: Analyser, photo_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    embed_photos(
        [photo_folder], tmp_path / "whole", analyser=analyser, workers=InProcess(), part_photos=2
    )
    script = tmp_path / "client.py"
    script.write_text(KILLED_CLIENT)
    root = str(Path(__file__).parents[2])
    arguments = [str(photo_folder), str(tmp_path / "run"), str(tiny_model), root]
    rng = np.random.default_rng(3)
    for attempt in range(12):
        with subprocess.Popen(
            [sys.executable, str(script), *arguments], stdout=subprocess.PIPE, text=True,
            start_new_session=True,
        ) as client:  # fmt: skip
            assert client.stdout is not None
            client.stdout.readline()
            time.sleep(float(rng.uniform(0, 1.5)))
            if attempt % 2:
                client.kill()
            else:  # it has a new one, and goes on
                for worker in children(client.pid)[:1]:
                    os.kill(worker, signal.SIGKILL)
            client.wait(timeout=120)
        if (tmp_path / "run").exists() and len(list((tmp_path / "run" / "faces").iterdir())) == 7:
            break
    subprocess.run([sys.executable, str(script), *arguments], check=True, timeout=120)
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")


def children(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and "spawn_main" in (path.parent / "cmdline").read_text():
            found.append(int(path.parent.name))
    return found
