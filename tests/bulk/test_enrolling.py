import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.bulk.conftest import InProcess

from vultus.bulk import enrolling
from vultus.bulk.embedding import KILLED
from vultus.bulk.enrolling import enroll_people
from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.gallery.gallery import Gallery
from vultus.gallery.moving.crops import KeptCrops
from vultus.image.io import write_image
from vultus.pipeline.face_cache import FaceCache
from vultus.pipeline.importing import import_people
from vultus.pipeline.recognizer import Recognizer

GRACE, EILEEN = "Grace Hopper", "Eileen Collins"


class Counting(InProcess):
    """Counts the photos that were looked at; dies of those of a name."""

    def __init__(self, killers: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.names = killers
        self.looked = 0

    def _dies(self, arguments: Any) -> bool:
        paths = arguments[1]
        if any(path.name in self.names for path in paths):
            return True
        self.looked += len(paths)
        return False


@pytest.fixture
def recognizer(tiny_model: Path) -> Recognizer:
    return Recognizer(embedder=tiny_model, gate=None)


@pytest.fixture
def staff(hopper: Image, collins: Image, tmp_path: Path) -> Path:
    folder = tmp_path / "staff"
    for name, photo in ((GRACE, hopper), (EILEEN, collins)):
        (folder / name).mkdir(parents=True)
        write_image(folder / name / "0.png", photo)
        write_image(folder / name / "1.jpg", photo)
    write_image(folder / GRACE / "nobody.png", np.zeros((200, 200, 3), np.uint8))
    return folder


def kept(gallery: Gallery) -> dict[str, Any]:
    return {
        name: [(p["source"], p["sha256"]) for p in gallery.photos(name)] for name in (GRACE, EILEEN)
    }


def test_it_enrols_as_an_import_does_and_goes_on_from_the_cache(
    recognizer: Recognizer,
    staff: Path,
    hopper: Image,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(enrolling, "_PART_PHOTOS", 2)
    cache = FaceCache(tmp_path / "cache")
    workers = Counting()
    with recognizer.open_gallery(tmp_path / "plain.db") as plain:
        want = import_people(recognizer, plain, staff)
        with recognizer.open_gallery(tmp_path / "bulk.db") as gallery:
            told: list[tuple[str, int, int]] = []
            done = enroll_people(
                recognizer, gallery, staff, workers=workers, cache=cache,
                progress=lambda *what: told.append(what),
            )  # fmt: skip
            assert done.to_dict() == want.to_dict()
            assert kept(gallery) == kept(plain)
            probe = recognizer.embed(hopper)
            np.testing.assert_allclose(
                gallery.similarities(GRACE, probe), plain.similarities(GRACE, probe), atol=1e-5
            )
            assert workers.looked == 5
            assert told[:4] == [("looking", n, 5) for n in (0, 2, 4, 5)]
            again = enroll_people(recognizer, gallery, staff, workers=workers, cache=cache)
            assert (again.added, again.enrolled_before) == (0, want.added)
    assert workers.looked == 5  # what shows nobody is in the cache, too
    assert recognizer.cache is None


def test_a_photo_that_kills_is_told_and_never_looked_at_here(
    recognizer: Recognizer, staff: Path, tmp_path: Path
) -> None:
    shutil.copy(staff / GRACE / "0.png", staff / GRACE / "deadly.png")
    with recognizer.open_gallery(tmp_path / "g.db") as gallery:
        done = enroll_people(
            recognizer, gallery, staff, workers=Counting(("deadly.png",)),
            cache=FaceCache(tmp_path / "cache"),
        )  # fmt: skip
        told = {Path(p["photo"]).name: p["error"] for p in done.left_out}
        assert told["deadly.png"] == KILLED
        assert done.added >= 3
        names = [Path(str(photo["source"])).name for photo in gallery.photos(GRACE)]
        assert "deadly.png" not in names


def test_what_cannot_be_shared_out_is_refused(
    recognizer: Recognizer, tiny_model: Path, staff: Path, tmp_path: Path
) -> None:
    cache = FaceCache(tmp_path / "cache")
    opened = Recognizer(detector=recognizer.detector, embedder=tiny_model, gate=None)
    with recognizer.open_gallery(tmp_path / "g.db") as gallery:
        with pytest.raises(InputError, match="given by name"):
            enroll_people(opened, gallery, staff, workers=Counting(), cache=cache)
        KeptCrops(gallery).allow()
        with pytest.raises(InputError, match="keeps aligned faces"):
            enroll_people(recognizer, gallery, staff, workers=Counting(), cache=cache)
