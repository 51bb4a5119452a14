"""Every photo of one person in an album."""

from pathlib import Path

import pytest

from vultus import Recognizer
from vultus.core.embeddings import Embeddings
from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.core.thresholds import Threshold
from vultus.image.io import read_image, write_image
from vultus.pipeline.album import copy_found, find_person, write_found_sheet
from vultus.pipeline.photos import Skipped


def test_a_person_is_found_copied_and_shown(
    hopper: Image, collins: Image, rocket: Image, tiny_model: Path, tmp_path: Path
) -> None:
    images = {"a/1.png": hopper, "b/1.png": hopper[:, ::-1], "c.png": collins, "d.png": rocket}
    for name, image in images.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_image(tmp_path / name, image)
    (tmp_path / "e.png").write_bytes(b"no photo")
    album = [tmp_path / name for name in ("d.png", "b/1.png", "c.png", "e.png", "a/1.png")]
    recognizer, skipped = Recognizer(embedder=tiny_model, gate=None), Skipped()
    person = recognizer.embed_face(album[4])
    rule = Threshold(0.7, fmr=1e-3, n_impostor=10_000)
    found = find_person(recognizer, person, album, threshold=rule, on_error=skipped)
    assert [Path(photo.photo) for photo in found.photos] == [album[4], album[1]]
    assert found.photos[0].similarity == pytest.approx(1, abs=1e-4)
    assert (found.n_photos, found.n_faces, found.n_refused) == (4, 3, 0)
    assert found.fpir == pytest.approx(1 - (1 - 1e-3) ** 3)
    assert [Path(item["photo"]) for item in skipped.photos] == [album[3]]
    assert found.to_dict()["photos"][0]["photo"] == str(album[4])
    copy_found(found, tmp_path / "copies")
    copies = sorted((tmp_path / "copies").iterdir())
    assert [copy.name for copy in copies] == ["0001-1.png", "0002-1.png"]
    assert (read_image(copies[1]) == hopper[:, ::-1]).all()
    with pytest.raises(InputError, match="new or empty folder"):
        copy_found(found, tmp_path / "copies")
    write_found_sheet(found, tmp_path / "found.html")
    assert (tmp_path / "found.html").read_text().count("<img") == 2
    nobody = Embeddings.empty(person.space)
    with pytest.raises(InputError, match="one embedding"):
        find_person(recognizer, nobody, album, threshold=rule)
    by_hand = find_person(recognizer, person, album[:2], threshold=Threshold(1))
    assert (by_hand.photos, by_hand.fpir) == ((), None)
