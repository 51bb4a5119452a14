"""Raw photos to crops: which face, what is written beside, and what a stop leaves behind."""

import json
import tomllib
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from vultus.alignment.align import align_faces, landmark_residuals
from vultus.alignment.crop_templates import crop_template
from vultus.core.errors import InputError
from vultus.core.faces import Faces, Image
from vultus.curation.align import align_photos as module
from vultus.curation.align.align_photos import align_photos
from vultus.curation.align.alignment_file import (
    AlignmentSettings,
    Report,
    check_template,
    read_settings,
)
from vultus.curation.align.person_alignment import choose_person
from vultus.curation.align.photo_source import AlignTools
from vultus.data import open_dataset
from vultus.data.formats.folder import FolderDataset
from vultus.embedding.embedder import Embedder
from vultus.image.io import read_image, write_image
from vultus.pipeline.analyser import Analyser

Draw = Callable[[int, int], Image]

POINTS = crop_template("arcface-112").points  # type: ignore[union-attr]


class KnownDetector:
    """Finds the faces that were put into photos, by the photos' pixels."""

    name = "known"

    def __init__(self) -> None:
        self.faces: dict[bytes, Faces] = {}
        self.seen: list[int] = []

    def detect(self, image: Image) -> Faces:
        return self.faces[image.tobytes()]

    def detect_batch(self, images: Sequence[Image]) -> list[Faces]:
        self.seen.append(len(images))
        return [self.detect(image) for image in images]


class Studio:
    """Takes photos: block people on grey, each at a place and size of its own."""

    def __init__(self, root: Path, draw: Draw) -> None:
        self.root, self.draw = root, draw
        self.detector = KnownDetector()

    def take(self, name: str, *people: tuple[int, int], large: int = 0) -> None:
        """A photo of (person, number) side by side; that at place ``large`` is twice as large."""
        photo = np.full((240, 240 * max(len(people), 1), 3), 128, np.uint8)
        boxes, points = [], []
        for place, (person, number) in enumerate(people):
            crop = self.draw(person, number)
            scale = 2 if place == large else 1
            crop = crop.repeat(scale, axis=0).repeat(scale, axis=1)
            left, top = 240 * place + 5, 7
            photo[top : top + len(crop), left : left + len(crop)] = crop
            boxes.append([left, top, left + len(crop), top + len(crop)])
            points.append((POINTS + 0.5) * scale - 0.5 + [left, top])
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, photo)
        self.detector.faces[photo.tobytes()] = (
            Faces(
                np.array(boxes, np.float32),
                np.array(points, np.float32),
                np.full(len(boxes), 0.9, np.float32),
            )
            if people
            else Faces.empty()
        )


@pytest.fixture
def studio(tmp_path: Path, draw: Draw) -> Studio:
    return Studio(tmp_path / "photos", draw)


@pytest.fixture
def run(studio: Studio, tiny_embedder: Embedder, tmp_path: Path) -> Callable[..., module.Alignment]:
    def align(
        target: str = "crops", *, kind: str = "folder", depth: int | None = None, **settings: object
    ) -> module.Alignment:
        retry = bool(settings.pop("retry", False))
        analyser = Analyser(detector=studio.detector, embedder=tiny_embedder, gate=None)
        return align_photos(
            FolderDataset(studio.root, depth=depth),
            tmp_path / target,
            AlignTools(analyser, settings.pop("min_similarity", None)),  # type: ignore[arg-type]
            AlignmentSettings(detector="known", **settings),  # type: ignore[arg-type]
            kind=kind,
            retry=retry,
        )

    return align


def rows(path: Path) -> dict[str, dict[str, object]]:
    return {row["photo"]: row for row in map(json.loads, path.read_text().splitlines())}


def test_a_crop_a_photo_with_its_report_and_template(
    studio: Studio, run: Callable[..., module.Alignment], tmp_path: Path
) -> None:
    for person in range(2):
        for number in range(3):
            studio.take(f"p{person}/{number}.png", (person, number))
    studio.take("loose.png", (2, 0))
    studio.take("p0/nobody.png")
    (studio.root / "p1" / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    result = run()
    crops = tmp_path / "crops"
    assert (result.crops, result.done_before) == (7, 0)
    assert set(result.failures) == {"p0/nobody.png", "p1/broken.jpg"}
    assert "no face" in result.failures["p0/nobody.png"]
    dataset = open_dataset(crops)
    assert dataset.identities == ("p0", "p1")
    assert (dataset.labels == -1).sum() == 1
    for name, row in rows(crops / "alignment.jsonl").items():
        if "error" in row:
            continue
        photo = read_image(studio.root / name)
        faces = studio.detector.detect(photo)
        wanted = align_faces(photo, faces).pixels[0]
        assert (read_image(crops / str(row["crop"])) == wanted).all()
        assert row["residuals_px"] == pytest.approx(landmark_residuals(faces)[0].tolist(), abs=1e-3)
    stored = tomllib.loads((crops / "alignment.toml").read_text())
    assert stored["alignment"]["template"] == "arcface-112"
    assert stored["result"]["crops"] == 7
    assert stored["result"]["failures"] == 2
    check_template(crops, "arcface-112")
    with pytest.raises(InputError, match="sphereface"):
        check_template(crops, "sphereface-112x96")


@pytest.mark.parametrize(
    ("select", "wanted"), [("largest", (0, 0)), ("central", (5, 0)), ("only", None)]
)
def test_the_face_that_the_rule_says(
    studio: Studio,
    run: Callable[..., module.Alignment],
    select: str,
    wanted: tuple[int, int] | None,
    tmp_path: Path,
) -> None:
    studio.take("p0/group.png", (0, 0), (5, 0), (6, 0))
    result = run(select=select)
    if wanted is None:
        assert "3 faces" in result.failures["p0/group.png"]
        return
    row = rows(tmp_path / "crops" / "alignment.jsonl")["p0/group.png"]
    assert row["faces"] == 3
    assert row["face"] == [(0, 0), (5, 0), (6, 0)].index(wanted)


@pytest.mark.parametrize("alone", [True, False])
def test_the_person_is_who_all_photos_have_in_common(
    studio: Studio, run: Callable[..., module.Alignment], alone: bool, tmp_path: Path
) -> None:
    if alone:
        for number in range(3):
            studio.take(f"p0/alone{number}.png", (0, 10 + number))
    studio.take("p0/a.png", (7, 0), (0, 0))  # the other one is larger
    studio.take("p0/b.png", (0, 1), (8, 0), large=1)
    studio.take("p0/c.png", (9, 0), (4, 0), (0, 2))
    studio.take("p1/a.png", (3, 0))
    studio.take("p1/b.png", (5, 0), (6, 1))  # person 3 is not there
    studio.take("loose.png", (1, 0), (2, 0))
    result = run(select="person", min_similarity=0.5)
    found = rows(tmp_path / "crops" / "alignment.jsonl")
    assert [found[f"p0/{name}.png"]["face"] for name in "abc"] == [1, 0, 2]
    assert all(float(str(found[f"p0/{name}.png"]["similarity"])) > 0.5 for name in "abc")
    assert set(result.failures) == {"loose.png", "p1/b.png"}
    assert "belongs to no person) shows 2 faces" in result.failures["loose.png"]
    assert "none of the 2 faces" in result.failures["p1/b.png"]


def test_who_is_on_all_photos_is_chosen_over_who_is_on_some() -> None:
    axes = np.eye(12, dtype=np.float32)
    person, spouse = axes[0], axes[1]
    photos = [np.stack([spouse, person]) for _ in range(3)]
    photos += [np.stack([person, axes[2 + n]]) for n in range(4)]
    choice = choose_person(photos)
    assert choice.faces == (1, 1, 1, 0, 0, 0, 0)
    assert choice.similarities == pytest.approx(np.ones(7))
    # One photo that shows somebody alone outweighs faces in company.
    assert choose_person([*photos[:3], spouse[None]]).faces == (0, 0, 0, 0)


def test_choice_by_person_of_a_single_photo_takes_the_first_face() -> None:
    choice = choose_person([np.eye(3, dtype=np.float32)])
    assert choice.faces == (0,)
    assert np.isnan(choice.similarities).all()


@pytest.mark.parametrize("select", ["largest", "person"])
@pytest.mark.parametrize("stop", [0, 3, 7])
def test_a_stopped_run_goes_on_and_ends_as_an_undisturbed_one(
    studio: Studio,
    run: Callable[..., module.Alignment],
    select: str,
    stop: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for person in range(3):
        for number in range(4):
            studio.take(f"p{person}/{number}.png", (person, number), (9, 10 * person + number))
    studio.take("p2/nobody.png")
    whole = run("whole", select=select)
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 2)
    append = Report.append
    calls = iter(range(100))

    def stops(self: Report, batch: list[dict[str, object]]) -> None:
        if next(calls) == stop // 2:
            with self.path.open("a") as stream:
                stream.write('{"photo": "p0/0.png", "cr')  # torn by the kill
            raise KeyboardInterrupt
        append(self, batch)

    monkeypatch.setattr(Report, "append", stops)
    with pytest.raises(KeyboardInterrupt):
        run(select=select)
    monkeypatch.setattr(Report, "append", append)
    again = run(select=select)
    assert again.crops == whole.crops == 12
    assert again.failures == whole.failures
    if select == "largest":
        assert again.done_before == stop // 2 * 2
    a, b = (rows(tmp_path / name / "alignment.jsonl") for name in ("crops", "whole"))
    assert a == b
    for path in (tmp_path / "whole").rglob("*.png"):
        same = tmp_path / "crops" / path.relative_to(tmp_path / "whole")
        assert same.read_bytes() == path.read_bytes()
    studio.detector.seen.clear()
    assert run(select=select).done_before == 13
    assert studio.detector.seen == []  # nothing is detected twice


def test_a_crop_that_is_gone_is_made_again_and_failures_are_retried_when_asked(
    studio: Studio, run: Callable[..., module.Alignment], tmp_path: Path
) -> None:
    studio.take("p0/0.png", (0, 0))
    studio.take("p0/1.png", (0, 1))
    (studio.root / "p0" / "2.png").write_bytes(b"not yet copied")
    run()
    (tmp_path / "crops" / "p0" / "0.png.png").unlink()
    assert run().done_before == 2
    assert (tmp_path / "crops" / "p0" / "0.png.png").exists()
    studio.take("p0/2.png", (0, 2))
    assert run().done_before == 3
    result = run(retry=True)
    assert (result.crops, result.failures) == (3, {})


@pytest.mark.parametrize("kind", ["zip", "recordio", "webdataset"])
def test_packed_crops_have_reports_that_name_them(
    studio: Studio, run: Callable[..., module.Alignment], kind: str, tmp_path: Path
) -> None:
    for person in range(2):
        for number in range(2):
            studio.take(f"p{person}/{number}.png", (person, number))
    studio.take("loose.png", (4, 0))
    target = {"zip": "crops.zip"}.get(kind, "packed")
    run("plain")
    result = run(target, kind=kind)
    dataset = open_dataset(tmp_path / target)
    assert dataset.identities == ("p0", "p1")
    assert len(dataset) == 5
    for name, row in rows(result.report).items():
        crop = str(row["crop"])
        if kind == "zip":
            packed = zipfile.ZipFile(tmp_path / target).read(crop)
        elif kind == "webdataset":
            packed = dataset.encoded(list(dataset.names).index(crop))
        else:
            packed = dataset.encoded(int(crop.removeprefix("record-")))
        assert packed == (tmp_path / "plain" / f"{name}.png").read_bytes()
    assert not (tmp_path / f"{target}.aligning").exists()
    beside = tmp_path / target / "alignment.toml"
    beside = tmp_path / "crops.zip.alignment.toml" if kind == "zip" else beside
    assert read_settings(beside).template == "arcface-112"
    with pytest.raises(InputError, match="exists"):
        run(target, kind=kind)


def test_photos_in_a_zip_and_identities_by_depth(
    studio: Studio, run: Callable[..., module.Alignment], tmp_path: Path
) -> None:
    studio.take("anna/2019/1.png", (0, 0))
    studio.take("anna/2020/1.png", (0, 1), (7, 0), large=1)
    studio.take("bo/1.png", (1, 0))
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for path in studio.root.rglob("*.png"):
            archive.write(path, path.relative_to(studio.root))
        archive.writestr("bo/broken.png", b"nothing")
    studio.root = tmp_path / "photos.zip"
    result = run("crops.zip", kind="zip", select="person", depth=1)
    assert set(result.failures) == {"bo/broken.png"}
    found = rows(result.report)
    assert found["anna/2020/1.png"]["face"] == 0


def test_other_settings_and_foreign_folders_are_refused(
    studio: Studio, run: Callable[..., module.Alignment], tmp_path: Path
) -> None:
    studio.take("p0/0.png", (0, 0))
    run()
    with pytest.raises(InputError, match="other settings"):
        run(template="sphereface-112x96")
    with pytest.raises(InputError, match="must be a new folder"):
        run("photos")
    for wrong in ({"select": "best"}, {"ending": ".gif"}, {"template": "none"}):
        with pytest.raises(InputError):
            run("other", **wrong)
    with pytest.raises(InputError, match="kind must be"):
        run("other", kind="tar")


def test_names_that_no_file_can_have_cost_a_line_each(
    studio: Studio, run: Callable[..., module.Alignment], tmp_path: Path
) -> None:
    studio.take("p0/0.png", (0, 0))
    photo = (studio.root / "p0" / "0.png").read_bytes()
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for name in ("p0/a\tb.png", f"p0/{'x' * 252}.png", "p0/2.png"):
            archive.writestr(name, photo)
    studio.root = tmp_path / "photos.zip"
    result = run()
    assert set(result.failures) == {f"p0/{'x' * 252}.png"}
    assert all("cannot be called" in reason for reason in result.failures.values())
    assert result.crops == 2


def test_a_zip_with_names_that_lead_out_is_refused_and_nothing_is_written(
    studio: Studio, run: Callable[..., module.Alignment], tmp_path: Path
) -> None:
    studio.take("p0/0.png", (0, 0))
    photo = (studio.root / "p0" / "0.png").read_bytes()
    for name in ((tmp_path / "outside" / "1.png").as_posix(), "../up/1.png"):
        with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
            archive.writestr(name, photo)
        studio.root = tmp_path / "photos.zip"
        with pytest.raises(InputError, match=rf"photos\.zip holds a path that leads out.*{name}"):
            run()
    assert not (tmp_path / "outside").exists()
    assert not (tmp_path / "up").exists()
