"""Records of models that see noise: how much of it is how good the model is."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.evaluation.protocols.base import EmbeddedPhotos, EmbedPhotos
from vultus.evaluation.protocols.figures import RunFigures
from vultus.evaluation.protocols.folder import PersonFolder
from vultus.evaluation.protocols.pairs.pairs import pairs
from vultus.evaluation.protocols.photos import PhotoFile
from vultus.evaluation.protocols.result import ProtocolResult
from vultus.evaluation.report.record import EvaluationRecord, RunCost, record_evaluation
from vultus.image.io import write_image

PEOPLE, PHOTOS, DIM = 30, 4, 32
FAILED = 5

MakeRecord = Callable[..., EvaluationRecord]


@pytest.fixture(scope="session")
def photo_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    for person in range(PEOPLE):
        (root / f"p{person:02d}").mkdir()
        for photo in range(PHOTOS):
            colour = np.random.default_rng(10 * person + photo).integers(0, 256, 3, np.uint8)
            write_image(root / f"p{person:02d}" / f"{photo}.png", np.full((40, 30, 3), colour))
    return root


def noisy_embedder(model: str, *, noise: float, fail: bool = True) -> EmbedPhotos:
    space = EmbeddingSpace(model, "ab" * 32, "none", DIM)

    def embed(photos: Sequence[PhotoFile], *, aligned: bool) -> EmbeddedPhotos:
        generator = np.random.default_rng(3)
        who = np.arange(len(photos)) // PHOTOS
        raw = generator.normal(size=(PEOPLE, DIM))[who]
        raw = raw + noise * generator.normal(size=raw.shape)
        failed = np.zeros(len(photos), np.bool_)
        failed[FAILED] = fail
        return EmbeddedPhotos(Embeddings.from_raw(raw[~failed], space), failed)

    return embed


def folder_result(root: Path, model: str, *, noise: float, fail: bool = True) -> ProtocolResult:
    return PersonFolder(root=root, aligned=True).run(noisy_embedder(model, noise=noise, fail=fail))


def as_run(result: ProtocolResult) -> RunFigures:
    return RunFigures(detector="yunet", select="central", runtime="none", **vars(result.figures()))


def as_record(result: ProtocolResult, *, worst: int = 20) -> EvaluationRecord:
    figures = as_run(result)
    return record_evaluation(
        result,
        figures=figures,
        created="2026-01-02T03:04:05Z",
        software={"vultus": "0", "Python": "3"},
        cost=RunCost(4.0, 2e6),
        worst=worst,
    )


@pytest.fixture
def make_result(photo_root: Path) -> Callable[..., ProtocolResult]:
    """Makes the result of the folder protocol: (model, noise=...)."""

    def make(model: str, *, noise: float = 0.9, fail: bool = True) -> ProtocolResult:
        return folder_result(photo_root, model, noise=noise, fail=fail)

    return make


@pytest.fixture
def run_figures() -> Callable[[ProtocolResult], RunFigures]:
    """The figures of a result as a run with YuNet would tell them."""
    return as_run


@pytest.fixture
def make_record(photo_root: Path) -> MakeRecord:
    """Makes a record of the folder protocol: (model, noise=..., worst=...)."""

    def make(model: str = "alpha", *, noise: float = 0.9, worst: int = 20) -> EvaluationRecord:
        return as_record(folder_result(photo_root, model, noise=noise), worst=worst)

    return make


@pytest.fixture
def pair_record(photo_root: Path, tmp_path: Path) -> MakeRecord:
    """Makes a record of a list of pairs, with another digest for each ``list_name``."""

    def make(model: str = "alpha", *, count: int = 12, noise: float = 0.9) -> EvaluationRecord:
        rows = [f"p{k:02d}/0.png p{k:02d}/2.png 1" for k in range(count)]
        rows += [f"p{k:02d}/0.png p{k + 1:02d}/1.png 0" for k in range(count)]
        listed = tmp_path / "pairs.tsv"
        listed.write_text("\n".join(rows))
        protocol = pairs(root=photo_root, pairs=listed, aligned=True)
        return as_record(protocol.run(noisy_embedder(model, noise=noise, fail=False)))

    return make


@pytest.fixture
def embed_noise() -> Callable[..., EmbedPhotos]:
    """The embedder of the records: (model, noise=..., fail=...)."""
    return noisy_embedder
