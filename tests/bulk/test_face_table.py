from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vultus.bulk.face_table import (
    NO_FACE,
    packed_rows,
    photo_rows,
    problem_row,
    read_face_rows,
    read_table,
    stored_name,
)
from vultus.core.errors import InputError
from vultus.pipeline.analyser import Analyser
from vultus.pipeline.photos import AnalysedPhoto
from vultus.quality.gate import QualityGate


@pytest.fixture
def photos(analyser: Analyser, photo_folder: Path) -> list[AnalysedPhoto]:
    """Two with a face, the second's refused, and one without."""
    names = [photo_folder / "a" / "00.png", photo_folder / "b" / "07.png"]
    one, two, nobody = analyser.analyse([*names, photo_folder / "b" / "empty.png"])
    return [one, replace(two, refusals=(("too dark", "turned"),)), nobody]


def rows_of(photos: list[AnalysedPhoto]) -> list[dict[str, object]]:
    return [
        row
        for place, photo in enumerate(photos)
        for row in photo_rows(photo, place=place, sha256=f"{place:064d}")
    ]


def test_what_is_written_is_read(
    photos: list[AnalysedPhoto], analyser: Analyser, tmp_path: Path
) -> None:
    space = analyser.embedder.space
    unreadable = problem_row("bro\udcffken.png", "no picture", place=3, sha256=None)
    path = tmp_path / "faces.parquet"
    path.write_bytes(packed_rows([*rows_of(photos), unreadable], space))
    found = read_face_rows([path, path], space)
    for name in ("vectors", "norms", "quality"):
        want = np.concatenate([getattr(photo.embeddings, name) for photo in photos[:2]] * 2)
        np.testing.assert_array_equal(getattr(found.embeddings, name), want)
    assert found.photos.tolist() == [0, 1, 0, 1]
    assert found.faces.tolist() == [0, 0, 0, 0]
    assert found.refused.tolist() == [False, True, False, True]
    assert found.raised.tolist() == [0, 0, 0, 0]
    table = read_table(path).to_pylist()
    assert [row["problem"] for row in table] == [None, None, NO_FACE, "no picture"]
    assert table[1]["refused"] == ["too dark", "turned"]
    assert table[0]["box_xyxy"] == photos[0].faces.boxes[0].tolist()
    assert table[3]["photo"] == stored_name("bro\udcffken.png") == r"bro\udcffken.png"
    assert table[3]["embedding"] is None


def test_the_same_rows_give_the_same_bytes(photos: list[AnalysedPhoto], analyser: Analyser) -> None:
    space = analyser.embedder.space
    assert packed_rows(rows_of(photos), space) == packed_rows(rows_of(photos), space)


def test_another_space_and_damage_are_told(
    photos: list[AnalysedPhoto], analyser: Analyser, tmp_path: Path
) -> None:
    space = analyser.embedder.space
    path = tmp_path / "faces.parquet"
    path.write_bytes(packed_rows(rows_of(photos), space))
    with pytest.raises(InputError, match="another model or setting"):
        read_face_rows([path], replace(space, weights_sha256="f" * 64))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"cannot be read as Parquet .*remove it and run again"):
        read_face_rows([path], space)
    pq.write_table(pa.table({"place": [0, 1]}), path)  # somebody else's
    with pytest.raises(InputError):
        read_face_rows([path], space)


def test_what_doubt_adds_to_a_threshold_is_kept(
    photos: list[AnalysedPhoto], analyser: Analyser, tmp_path: Path
) -> None:
    gate = QualityGate(min_trust=0.2, doubt_step=0.05)
    doubtful = replace(photos[0].embeddings, trust=np.array([0.25], np.float32))
    rows = photo_rows(replace(photos[0], embeddings=doubtful), place=0, sha256=None, gate=gate)
    path = tmp_path / "faces.parquet"
    path.write_bytes(packed_rows(rows, analyser.embedder.space))
    raised = read_face_rows([path], analyser.embedder.space).raised
    assert raised.tolist() == [pytest.approx(gate.raised_by(0.25, 0.25))]
    assert raised[0] > 0


def test_no_file_is_no_face(analyser: Analyser) -> None:
    assert len(read_face_rows([], analyser.embedder.space).embeddings) == 0
