import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from tests.bulk.conftest import InProcess

from vultus.bulk import auditing
from vultus.bulk.auditing import audit_in_bulk
from vultus.bulk.embedding import KILLED
from vultus.core.errors import InputError
from vultus.core.thresholds import Threshold, ThresholdTable
from vultus.curation.audit import features
from vultus.curation.audit.audit import AuditTools
from vultus.curation.audit.audit_folder import MANIFEST, AuditJob, audit_to_folder
from vultus.embedding.embedder import Embedder
from vultus.pipeline.analyser import Analyser

TABLE = ThresholdTable(
    tuple(
        Threshold(similarity, fmr, 10**6, "pairs of block people")
        for similarity, fmr in ((0.25, 0.1), (0.45, 1e-2), (0.55, 1e-3), (0.65, 1e-4))
    )
)


class Counting(InProcess):
    """Counts the crops that were embedded; dies of some places."""

    def __init__(self, killers: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.places = killers
        self.embedded = 0

    def _dies(self, arguments: Any) -> bool:
        _, _, places, known, _ = arguments
        if any(place in places and place not in known for place in self.places):
            return True
        self.embedded += len(places)
        return False


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    """Six people of blocks, five crops each; one crop twice, one that cannot be read."""
    rng = np.random.default_rng(4)
    root = tmp_path / "crops"
    for person in range(6):
        blocks = rng.integers(0, 255, (8, 8, 3))
        (root / f"p{person}").mkdir(parents=True)
        for number in range(5):
            noisy = np.clip(blocks + rng.normal(0, 12, blocks.shape), 0, 255).astype(np.uint8)
            crop = cv2.resize(noisy, (112, 112), interpolation=cv2.INTER_NEAREST)
            cv2.imwrite(str(root / f"p{person}" / f"{number}.png"), crop)
    copy = (root / "p0" / "0.png").read_bytes()
    (root / "p3" / "copy.png").write_bytes(copy)
    (root / "p5" / "broken.png").write_bytes(b"nothing")
    return root


@pytest.fixture
def tools(tiny_embedder: Embedder, tmp_path: Path) -> AuditTools:
    return AuditTools(tiny_embedder, TABLE, tmp_path / "cache", fpir=0.05)


def findings(folder: Path) -> list[str]:
    return (folder / MANIFEST).read_text().splitlines()[1:]  # the first says when


def test_it_finds_what_a_plain_audit_finds_and_goes_on(
    crops: Path, tools: AuditTools, analyser: Analyser, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(auditing, "_PART_IMAGES", 8)
    job = AuditJob(source=crops, page=False)
    audit_to_folder(job, replace(tools, cache=tmp_path / "own"), tmp_path / "plain")
    workers = Counting()
    audit_in_bulk(job, tools, tmp_path / "bulk", analyser=analyser, workers=workers)
    assert findings(tmp_path / "bulk") == findings(tmp_path / "plain")
    assert findings(tmp_path / "bulk")
    assert workers.embedded == 32
    again = Counting()
    audit_in_bulk(job, tools, tmp_path / "again", analyser=analyser, workers=again)
    assert again.embedded == 8  # the part with the image that cannot be read
    with pytest.raises(InputError, match="exists and may have been edited"):
        audit_in_bulk(job, tools, tmp_path / "again", analyser=analyser, workers=again)


def test_an_image_that_kills_is_told_and_never_decoded_here(
    crops: Path, tools: AuditTools, analyser: Analyser, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    deadly = crops / "p2" / "1.png"
    digest = hashlib.sha256(deadly.read_bytes()).digest()
    names = sorted(str(path.relative_to(crops)) for path in crops.rglob("*.png"))
    place = names.index("p2/1.png")
    decode = features.read_crop

    def decoded(data: bytes, embedder: Embedder) -> Any:
        assert hashlib.sha256(data).digest() != digest
        return decode(data, embedder)

    monkeypatch.setattr(features, "read_crop", decoded)
    result = audit_in_bulk(
        AuditJob(source=crops, page=False), tools, tmp_path / "bulk", analyser=analyser,
        workers=Counting((place,)),
    )  # fmt: skip
    told = [f for f in result.findings if f.kind == "unreadable"]
    assert len(told) == 2
    assert any(KILLED in line for line in findings(tmp_path / "bulk"))
