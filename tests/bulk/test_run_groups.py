from pathlib import Path

import pytest
from tests.bulk.conftest import InProcess

from vultus.bulk.embedding import embed_photos
from vultus.bulk.face_table import read_table
from vultus.bulk.run_folder import RunFolder
from vultus.bulk.run_groups import cluster_run
from vultus.core.errors import InputError
from vultus.core.thresholds import Threshold
from vultus.matching.clustering import cluster
from vultus.pipeline.analyser import Analyser


@pytest.fixture
def run(analyser: Analyser, photo_folder: Path, tmp_path: Path) -> RunFolder:
    folder = tmp_path / "run"
    embed_photos([photo_folder], folder, analyser=analyser, workers=InProcess(), part_photos=5)
    return RunFolder(folder)


def test_each_face_has_its_person_and_photo(run: RunFolder, tmp_path: Path) -> None:
    before = sorted(run.path.rglob("*"))
    output = tmp_path / "people.parquet"
    found = cluster_run(run, Threshold(0.9), output, workers=InProcess())
    faces = run.faces()
    want = cluster(faces.embeddings, threshold=Threshold(0.9), photo_ids=faces.photos.tolist())
    rows = read_table(output).to_pylist()
    assert [row["person"] for row in rows] == want.labels.tolist()
    assert [row["photo"] for row in rows] == [run.photos[p].name for p in faces.photos.tolist()]
    assert (found.n_faces, found.n_refused, found.n_people) == (12, 0, want.n_clusters)
    assert found.to_dict()["people"] == want.n_clusters
    assert sorted(run.path.rglob("*")) == before
    assert output.stat().st_mode & 0o77 == 0


def test_refused_faces_are_counted_and_left_out(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = run.faces()
    faces.refused[[0, 5]] = True
    monkeypatch.setattr(RunFolder, "faces", lambda _: faces)
    output = tmp_path / "people.parquet"
    found = cluster_run(run, Threshold(0.9), output, workers=InProcess())
    assert (found.n_faces, found.n_refused) == (10, 2)
    left_out = {run.photos[faces.photos[place]].name for place in (0, 5)}
    assert left_out.isdisjoint(row["photo"] for row in read_table(output).to_pylist())


def test_doubtful_faces_need_more(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = run.faces()
    faces.raised[:] = 3.0  # more than any similarity gives
    monkeypatch.setattr(RunFolder, "faces", lambda _: faces)
    found = cluster_run(run, Threshold(-0.9), tmp_path / "people.parquet", workers=InProcess())
    assert found.n_people == found.n_faces == 12


def test_an_output_that_cannot_be_is_told_before_the_work(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        cluster_run(run, Threshold(0.9), tmp_path, workers=InProcess())
