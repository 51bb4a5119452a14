"""Groups from photos, crops and stored embeddings."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from vultus import Recognizer
from vultus.core.crops import AlignedCrops
from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.core.thresholds import Threshold
from vultus.embedding.embedding_file import FaceSource, save_embeddings
from vultus.evaluation.protocols.groups.evaluation import GroupPlan
from vultus.evaluation.protocols.groups.labels import Grouping
from vultus.image.io import read_image, write_image
from vultus.pipeline.measuring.groups import (
    LabelledRoot,
    card_thresholds,
    measure_groups,
    measure_stored_groups,
)
from vultus.quality.gate import QualityGate

PLAN = GroupPlan(threshold=Threshold(0.9), fmr=None, draws=20)


@pytest.fixture
def labels(people: Path, tmp_path: Path) -> Path:
    """Every photo of `people`, which is of even or odd persons; and the broken one."""
    path = tmp_path / "labels.csv"
    rows = [
        (f"person{k}/{photo}.png", f"person{k}", "even" if k % 2 == 0 else "odd", str(k))
        for k in range(60)
        for photo in range(2)
    ]
    rows.append(("person0/broken.png", "person0", "even", "0"))
    _write(path, [("file", "person", "kind", "number"), *rows])
    return path


def _write(path: Path, rows: Sequence[tuple[str, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)


def test_crops_are_measured_with_photos_that_cannot_be_read(
    people: Path, labels: Path, tiny_model: Path
) -> None:
    data = LabelledRoot(labels=labels, root=people, grouping=Grouping(by=("kind",)), aligned=True)
    told: list[str] = []
    figures = measure_groups(
        data,
        Recognizer(embedder=tiny_model, gate=None),
        plan=PLAN,
        progress=lambda what, done, total: told.append(what),
    )
    assert set(told) == {"embedding", "comparing groups"}
    even, odd = figures.cells
    assert (even.name, even.n_photos, even.n_people) == ("even", 61, 30)
    assert (even.no_face.n_errors, odd.no_face.n_errors) == (1, 0)
    assert even.fmr.n == 60 * 59 // 2 - 30
    assert even.fnmr is not None
    # The broken photo fails both of its genuine comparisons.
    assert (even.fnmr.n, even.fnmr.n_errors) == (32, 2)
    assert even.refused is None
    assert figures.settings.person == "person"
    assert figures.settings.detector is None


def test_stored_embeddings_give_the_same(
    people: Path, labels: Path, tiny_model: Path, tmp_path: Path
) -> None:
    recognizer = Recognizer(embedder=tiny_model, gate=None)
    names = sorted(p.relative_to(people).as_posix() for p in people.rglob("[01].png"))
    pixels = np.stack([read_image(people / name) for name in names])
    identity = np.eye(2, 3, dtype=np.float32)[None].repeat(len(names), axis=0)
    save_embeddings(
        tmp_path / "kept.npz",
        recognizer.embedder.embed(AlignedCrops(pixels, identity, "arcface-112")),
        sources=[FaceSource(name, 0, (np.nan,) * 4) for name in names],
        failed=["person0/broken.png"],
    )
    grouping = Grouping(by=("kind",), only={"number": ("10..",)})
    data = LabelledRoot(labels=labels, root=people, grouping=grouping, aligned=True)
    first = measure_groups(data, recognizer, plan=PLAN)
    stored = LabelledRoot(labels=labels, root=tmp_path / "kept.npz", grouping=grouping)
    again = measure_stored_groups(stored, plan=PLAN)
    assert first.n_people == 50
    assert again.cells == first.cells
    assert again.matrices == first.matrices
    assert again.filtered == first.filtered == 21


def test_the_gate_says_which_photos_of_which_group_it_refuses(
    hopper: Image, collins: Image, tiny_model: Path, tmp_path: Path
) -> None:
    dark = (hopper // 40).astype(np.uint8)
    nobody = np.full((200, 200, 3), 128, np.uint8)
    rows = [("file", "person", "kind")]
    for name, photo, person, kind in (
        ("h.png", hopper, "grace", "a"),
        ("c.png", collins, "eileen", "a"),
        ("dark.png", dark, "grace", "b"),
        ("nobody.png", nobody, "", "b"),
        ("h2.png", hopper[:, ::-1], "grace", "b"),
    ):
        write_image(tmp_path / name, photo)
        rows.append((name, person, kind))
    _write(tmp_path / "labels.csv", rows)
    data = LabelledRoot(
        labels=tmp_path / "labels.csv",
        root=tmp_path,
        grouping=Grouping(by=("kind",)),
        select="largest",
    )
    figures = measure_groups(data, Recognizer(embedder=tiny_model), plan=PLAN)
    a, b = figures.cells
    assert a.refused is not None
    assert b.refused is not None
    found = b.no_face.n_errors, b.refused.n_errors
    # The detector may or may not find a face that is nearly black; it is never compared.
    assert found in ((1, 1), (2, 0))
    assert (a.no_face.n_errors, a.refused.n_errors) == (0, 0)
    assert a.fmr.n == 1
    assert b.fmr.n == 0
    assert b.fnmr is not None
    assert (b.fnmr.n, b.fnmr.n_errors) == (1, 1)
    assert figures.settings.detector == "mtcnn"


def test_a_crop_that_shows_nothing_is_refused(
    people: Path, labels: Path, tiny_model: Path, tmp_path: Path
) -> None:
    flat = tmp_path / "crops"
    for k in range(4):
        (flat / f"person{k}").mkdir(parents=True)
        source = read_image(people / f"person{k}" / "0.png")
        write_image(flat / f"person{k}" / "0.png", source if k else np.full_like(source, 99))
    rows = [(f"person{k}/0.png", str(k), "all") for k in range(4)]
    _write(tmp_path / "few.csv", [("file", "person", "kind"), *rows])
    data = LabelledRoot(
        labels=tmp_path / "few.csv", root=flat, grouping=Grouping(by=("kind",)), aligned=True
    )
    (cell,) = measure_groups(data, Recognizer(embedder=tiny_model), plan=PLAN).cells
    assert cell.refused is not None
    assert cell.refused.n_errors >= 1
    assert cell.fmr.n == (4 - cell.refused.n_errors) * (3 - cell.refused.n_errors) // 2


def test_crops_are_judged_by_the_trust_head_too(
    hopper: Image, collins: Image, tmp_path: Path
) -> None:
    gate = QualityGate(
        min_inter_eye_px=None,
        min_sharpness=None,
        min_contrast=None,
        max_under_exposure=None,
        max_over_exposure=None,
        max_yaw_deg=None,
        max_pitch_deg=None,
        max_occlusion=None,
        max_cut_off=None,
        min_norm=0,
    )
    recognizer = Recognizer(gate=gate)
    rows = [("file", "person", "kind")]
    for name, photo in (("hopper", hopper), ("collins", collins)):
        crop = next(recognizer.analyse([photo])).crops.pixels[0]
        for way, pixels in (("clean", crop), ("turned", crop[::-1, ::-1])):
            write_image(tmp_path / f"{name}-{way}.png", np.ascontiguousarray(pixels))
            rows.append((f"{name}-{way}.png", name, way))
    _write(tmp_path / "labels.csv", rows)
    data = LabelledRoot(
        labels=tmp_path / "labels.csv",
        root=tmp_path,
        grouping=Grouping(by=("kind",)),
        aligned=True,
    )
    figures = measure_groups(data, recognizer, plan=PLAN)
    refused = {cell.name: cell.refused for cell in figures.cells}
    assert refused["clean"] is not None
    assert refused["turned"] is not None
    assert (refused["clean"].n_errors, refused["turned"].n_errors) == (0, 2)


def test_without_a_column_of_people_each_photo_is_one(
    people: Path, tiny_model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [(f"person{k}/0.png", "", "all") for k in range(5)]
    _write(tmp_path / "labels.csv", [("file", "who", "kind"), *rows])
    base = {"labels": tmp_path / "labels.csv", "root": people, "aligned": True}
    data = LabelledRoot(**base, grouping=Grouping(by=("kind",)))  # type: ignore[arg-type]
    recognizer = Recognizer(embedder=tiny_model, gate=None)
    assert measure_groups(data, recognizer, plan=PLAN).n_people == 5
    assert "no column 'person': each photo is taken as another person" in caplog.text
    named = LabelledRoot(
        **base,  # type: ignore[arg-type]
        grouping=Grouping(by=("kind",)),
        person_column="who",
    )
    # An empty field is a person of its own.
    assert measure_groups(named, recognizer, plan=PLAN).n_people == 5


def test_a_photo_that_is_not_there_or_comes_twice_is_refused(
    people: Path, tiny_model: Path, tmp_path: Path
) -> None:
    path = tmp_path / "labels.csv"
    data = LabelledRoot(labels=path, root=people, grouping=Grouping(by=("kind",)), aligned=True)
    recognizer = Recognizer(embedder=tiny_model, gate=None)
    _write(path, [("file", "kind"), ("nobody.png", "a")])
    with pytest.raises(
        InputError, match=r"labels\.csv names nobody\.png, and .* has no such photo"
    ):
        measure_groups(data, recognizer, plan=PLAN)
    _write(path, [("file", "kind"), ("person1/0.png", "a"), ("person1/0.png", "b")])
    with pytest.raises(InputError, match=r"person1/0\.png comes twice"):
        measure_groups(data, recognizer, plan=PLAN)


def test_thresholds_of_a_card_are_of_its_very_weights(tiny_model: Path) -> None:
    space = Recognizer().embedder.space
    assert card_thresholds(space).points
    with pytest.raises(InputError, match="no card is known here"):
        card_thresholds(Recognizer(embedder=tiny_model).embedder.space)
