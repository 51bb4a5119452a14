from pathlib import Path

import pytest

from vultus import Recognizer
from vultus.core.errors import InputError, NoFaceError
from vultus.core.faces import Image
from vultus.core.thresholds import Threshold
from vultus.image.io import write_image
from vultus.pipeline.grouping import copy_groups, group_photos, write_group_sheet
from vultus.pipeline.photos import Skipped


@pytest.fixture
def photos(hopper: Image, collins: Image, rocket: Image, tmp_path: Path) -> list[Path]:
    images = {"a/1.png": hopper, "b/1.png": hopper[:, ::-1], "c.png": collins, "d.png": rocket}
    for name, image in images.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_image(tmp_path / name, image)
    return [tmp_path / name for name in images]


def test_groups_are_copied_and_shown(photos: list[Path], tiny_model: Path, tmp_path: Path) -> None:
    recognizer = Recognizer(embedder=tiny_model, gate=None)
    skipped = Skipped()
    told: list[int] = []
    groups = group_photos(
        recognizer,
        photos,
        threshold=Threshold(0.7),
        on_error=skipped,
        progress=lambda what, done, total: told.append(done),
    )
    assert told == [0, 1, 2, 3, 4]
    assert skipped.photos == [
        {"photo": str(photos[3]), "error": "no face found", "reason": "without a face"}
    ]
    assert [groups.photos_of(person) for person in range(2)] == [
        [str(photos[0]), str(photos[1])],
        [str(photos[2])],
    ]
    assert (len(groups), len(groups.people)) == (3, 2)
    assert groups.to_dict()["people"][1] == [{"photo": str(photos[2]), "face": 0}]
    copy_groups(groups, tmp_path / "out")
    copied = sorted(p.relative_to(tmp_path / "out").as_posix() for p in tmp_path.glob("out/*/*"))
    assert copied == ["person-0001/1-2.png", "person-0001/1.png", "person-0002/c.png"]
    with pytest.raises(InputError, match="not empty"):
        copy_groups(groups, tmp_path / "out")
    write_group_sheet(groups, tmp_path / "sheet.html")
    sheet = (tmp_path / "sheet.html").read_text()
    assert "2 people in 3 faces" in sheet
    assert "holds photos of people" in sheet


def test_without_a_handler_the_first_photo_without_a_face_raises(
    photos: list[Path], tiny_model: Path
) -> None:
    with pytest.raises(NoFaceError, match="no face found"):
        group_photos(Recognizer(embedder=tiny_model), photos[3:], threshold=Threshold(0.5))
