import json
from pathlib import Path

import numpy as np
import pytest

from vultus import Recognizer
from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.embedding.embedding_file import read_embedding_file
from vultus.image.io import read_image, write_image
from vultus.pipeline.face_files import INDEX, embed_to_file, write_face_crops


@pytest.fixture
def photos(hopper: Image, rocket: Image, tmp_path: Path) -> list[Path]:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    write_image(tmp_path / "a" / "x.png", hopper)
    write_image(tmp_path / "b" / "x.png", rocket)
    (tmp_path / "c.png").write_bytes(b"no image")
    return [tmp_path / "a" / "x.png", tmp_path / "b" / "x.png", tmp_path / "c.png"]


def test_crops_are_written_with_where_they_came_from(photos: list[Path], tmp_path: Path) -> None:
    told: list[int] = []
    out = tmp_path / "new" / "crops"
    summary = write_face_crops(
        Recognizer(), photos, out, progress=lambda what, done, total: told.append(done)
    )
    assert told == [0, 1, 2, 3]
    assert json.loads((out / INDEX).read_text()) == summary
    (crop,) = summary["crops"]
    assert (crop["crop"], crop["photo"], crop["face"]) == ("000000-x-0.png", str(photos[0]), 0)
    assert read_image(out / crop["crop"]).shape == (112, 112, 3)
    assert [item["photo"] for item in summary["skipped"]] == [str(photos[2])]
    with pytest.raises(InputError, match="template must be one of"):
        write_face_crops(Recognizer(), photos, tmp_path / "none", template="mine")
    assert not (tmp_path / "none").exists()


def test_a_file_of_embeddings_knows_the_photos_without_a_face(
    photos: list[Path], tiny_model: Path, tmp_path: Path
) -> None:
    recognizer = Recognizer(embedder=tiny_model)
    embeddings, skipped = embed_to_file(recognizer, photos, tmp_path / "faces.npz")
    file = read_embedding_file(tmp_path / "faces.npz")
    np.testing.assert_array_equal(file.embeddings.vectors, embeddings.vectors)
    assert [source.photo for source in file.sources] == [str(photos[0])]
    assert sorted(file.failed) == [str(photos[1]), str(photos[2])]
    assert [item["photo"] for item in skipped.photos] == [str(photos[2])]
    empty, _ = embed_to_file(recognizer, photos[1:], tmp_path / "none.npz")
    assert len(empty) == 0
