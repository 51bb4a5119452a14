"""The whole audit on people made of blocks, with every kind of error planted."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from benchmarks.planted.planted import Planted
from benchmarks.planted.planting import PlantingRates, plant

from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.core.thresholds import Threshold, ThresholdTable
from vultus.curation.audit.audit import Audit, AuditTools, audit
from vultus.curation.audit.findings import Finding
from vultus.data import FaceDataset, open_dataset
from vultus.detection.base import Detector
from vultus.embedding.embedder import Embedder
from vultus.image.io import write_image

MakePeople = Callable[..., Path]

TABLE = ThresholdTable(
    tuple(
        Threshold(similarity, fmr, 10**6, "pairs of block people")
        for similarity, fmr in ((0.25, 0.1), (0.45, 1e-2), (0.55, 1e-3), (0.65, 1e-4))
    )
)

# Near duplicates come apart: mirrored ones are others to the toy model.
FOUND = (
    "unreadable", "non_face", "duplicate", "wrong_label", "stranger", "merge", "split",
)  # fmt: skip


@pytest.fixture
def tools(tiny_embedder: Embedder, detector: Detector, tmp_path: Path) -> AuditTools:
    return AuditTools(tiny_embedder, TABLE, tmp_path / "cache", detector=detector, fpir=0.05)


def by_kind(found: Audit, kind: str) -> list[Finding]:
    return [finding for finding in found.findings if finding.kind == kind]


def planted_people(make_people: MakePeople, root: Path, seed: int) -> Planted:
    rates = PlantingRates(0.05, 0.03, 0.03, 0.03, 0.02, 0.01, 0.1, 0.1)
    flat = [np.full((112, 112, 3), 40 * n, np.uint8) for n in range(5)]
    people = open_dataset(make_people(34, 8))
    return plant(people, root, identities=30, seed=seed, non_faces=flat, rates=rates)


@pytest.mark.parametrize("measured", [False, True])
def test_what_is_planted_is_found(
    make_people: MakePeople, tools: AuditTools, tmp_path: Path, measured: bool
) -> None:
    planted = planted_people(make_people, tmp_path / "planted", seed=1)
    if measured:  # a model without thresholds
        tools = AuditTools(
            tools.embedder, ThresholdTable(), tools.cache, detector=tools.detector, fpir=0.05
        )
    found = audit(open_dataset(tmp_path / "planted"), tools)
    for kind in FOUND:
        truth = planted.keys(kind)
        keys = {planted.key(finding) for finding in by_kind(found, kind)}
        assert len(truth) > 1
        assert len(truth & keys) >= 0.8 * len(truth), kind
        beside = [f for f in by_kind(found, kind) if planted.key(f) not in truth]
        assert not [f for f in beside if planted.role(f) == "clean"], kind
    near = {planted.key(finding) for finding in by_kind(found, "near_duplicate")}
    assert near
    assert near <= planted.keys("near_duplicate")
    moves = by_kind(found, "wrong_label")
    assert [planted.homes[planted.key(f)] for f in moves if planted.key(f) in planted.homes] == [  # type: ignore[index]
        f.to for f in moves if planted.key(f) in planted.homes
    ]


def test_clean_people_give_no_finding(make_people: MakePeople, tools: AuditTools) -> None:
    found = audit(open_dataset(make_people(12, 6)), tools)
    assert found.findings == ()
    assert (found.n_images, found.n_identities, found.detector) == (72, 12, "blocks")


def test_an_image_is_embedded_once(
    make_people: MakePeople, tools: AuditTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_people(4, 4)
    first = audit(open_dataset(root), tools)
    seen: list[int] = []
    embed = Embedder.embed

    def counting(self: Embedder, crops: object) -> object:
        seen.append(len(crops))  # type: ignore[arg-type]
        return embed(self, crops)  # type: ignore[arg-type]

    monkeypatch.setattr(Embedder, "embed", counting)
    (root / "p00" / "00.png").rename(root / "p01" / "moved.png")
    second = audit(open_dataset(root), tools)
    assert sum(seen) == 16 * 6  # the sample of the copy rule and its altered copies, nothing else
    assert [f.kind for f in first.findings] == []
    assert [(f.kind, f.images) for f in second.findings] == [("wrong_label", ("p01/moved.png",))]


def test_what_is_in_a_set_to_evaluate_on_is_found(
    make_people: MakePeople, tools: AuditTools, draw: Callable[[int, int], Image], tmp_path: Path
) -> None:
    root = make_people(6, 5)
    others = make_people(4, 5, name="evaluation", first=20)
    for number in range(5):  # person 2, in other pictures
        path = others / "someone" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        write_image(path, draw(2, 50 + number))
    write_image(others / "p20" / "copy.png", draw(4, 0))
    write_image(others / "loose.png", draw(5, 77))  # without identity: a person of its own
    write_image(root / "unknown.png", draw(21, 90))
    found = audit(open_dataset(root), tools, against={"evaluation": open_dataset(others)})
    copies, people = by_kind(found, "overlap_copy"), by_kind(found, "overlap_person")
    assert [(f.images, f.evidence, f.action) for f in copies] == [
        (("p04/00.png",), ("evaluation/p20/copy.png",), "drop")
    ]
    assert {f.identity or f.images for f in people} == {"p02", "p05", ("unknown.png",)}
    assert all(any(name.startswith("evaluation/") for name in f.evidence) for f in people)


def test_without_a_detector_there_are_no_non_faces(
    make_people: MakePeople, tiny_embedder: Embedder, tmp_path: Path
) -> None:
    root = make_people(3, 4)
    write_image(root / "p00" / "flat.png", np.full((112, 112, 3), 90, np.uint8))
    found = audit(open_dataset(root), AuditTools(tiny_embedder, TABLE, tmp_path / "cache"))
    assert not by_kind(found, "non_face")
    assert [f.images for f in by_kind(found, "stranger")] == [("p00/flat.png",)]


def test_crops_of_another_size_are_unreadable_and_photos_are_refused(
    make_people: MakePeople, tools: AuditTools, tmp_path: Path
) -> None:
    root = make_people(3, 4)
    write_image(root / "p00" / "wide.png", np.zeros((112, 96, 3), np.uint8))
    found = audit(open_dataset(root), tools)
    assert [f.images for f in by_kind(found, "unreadable")] == [("p00/wide.png",)]
    assert "112 x 96" in found.findings[0].reason
    photos = tmp_path / "photos"
    photos.mkdir()
    write_image(photos / "a.png", np.zeros((300, 200, 3), np.uint8))
    with pytest.raises(InputError, match="vultus data align"):
        audit(open_dataset(photos), tools)


@pytest.mark.parametrize("name", ["a\tb.png", "a\nb.png", "a\x7f.png", b"a\xff.png"])
def test_hostile_names_are_one_error(
    make_people: MakePeople, tools: AuditTools, name: str | bytes
) -> None:
    root = make_people(3, 4)
    text = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name
    try:
        (root / "p00" / "00.png").rename(root / "p00" / text)
    except (OSError, ValueError):
        pytest.skip("this file system has no such names")
    dataset: FaceDataset = open_dataset(root)
    with pytest.raises(InputError, match="image names must be UTF-8") as caught:
        audit(dataset, tools)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
