import dataclasses
import json
import os
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from vultus.core.embeddings import EmbeddingSpace
from vultus.core.errors import CalibrationError
from vultus.matching.model_rates import ModelRates, rates_from_package
from vultus.matching.operating_point import threshold_for_gallery
from vultus.models.built_in import built_in_cards, built_in_files, built_in_rates
from vultus.models.cards import ModelCard
from vultus.models.graph import check_graph, embedder_shapes
from vultus.models.store import ModelStore

NAMES = [
    "adaface-ir101",
    "adaface-ir18",
    "dlib-resnet",
    "edgeface-base",
    "edgeface-s-gamma-05",
    "edgeface-xs-gamma-06",
    "edgeface-xxs",
    "ediffiqa-tiny",
    "glintr100",
    "minifasnet-v1se",
    "minifasnet-v2",
    "mobilefacenet-y1",
    "retinaface-mnet025",
    "scrfd-10g-kps",
    "scrfd-2.5g",
    "scrfd-500m-kps",
    "sface-2021dec",
    "sface-2021dec-int8",
    "sphere20",
    "sphere36",
    "vultus-s2",
    "w600k-mbf",
    "w600k-r50",
    "yunet-2023mar",
    "yunet-2023mar-int8",
    "yunet-n-320",
    "yunet-n-dynamic",
]


def test_models_whose_groups_were_measured_have_cautious_thresholds() -> None:
    for name in ("vultus-s2", "mobilefacenet-y1"):
        card = built_in_cards()[name]
        for rate in (1e-2, 1e-3):
            cautious, usual = card.cautious.at_fmr(rate), card.thresholds.at_fmr(rate)
            assert cautious.similarity > usual.similarity
            assert "inside the worst of 14 groups" in cautious.origin
        assert "adults only" in card.notes


def test_the_built_in_names() -> None:
    assert list(built_in_cards()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_card_states_what_one_must_know(name: str) -> None:
    card = built_in_cards()[name]
    assert card.name == name
    assert re.fullmatch(r"[0-9a-f]{64}", card.sha256)
    assert card.description
    assert card.layout
    assert card.licence.name
    assert card.licence.source
    assert card.training_data
    assert card.verified or "not at hand" in card.notes
    if card.url is None:
        assert "No address" in card.notes or (built_in_files() / card.file_name).is_file()
    else:
        assert urlsplit(card.url).scheme == "https"
        assert card.url.endswith(".zip") == (card.archive_sha256 is not None)
    assert ModelCard.from_toml(card.to_toml()) == card


def test_no_file_is_on_two_cards() -> None:
    digests = [card.sha256 for card in built_in_cards().values()]
    assert len(set(digests)) == len(digests)


def test_models_of_insightface_are_never_called_commercial() -> None:
    origin = [card for card in built_in_cards().values() if "InsightFace" in card.licence.name]
    assert len(origin) >= 7
    assert not any(card.licence.commercial_use for card in origin)


def test_the_files_that_come_along_are_small_and_what_their_cards_say(tmp_path: Path) -> None:
    files = sorted(path.name for path in built_in_files().iterdir())
    assert files == ["mobilefacenet-y1.trust.npz", "vultus-s2.onnx", "vultus-s2.trust.npz"]
    assert all((built_in_files() / name).stat().st_size <= 8e6 for name in files)
    store = ModelStore(tmp_path / "store", mirror=[], offline=True)
    assert store.path("vultus-s2") == built_in_files() / "vultus-s2.onnx"
    assert store.verify("vultus-s2").stat().st_size <= 8e6
    pulled = store.pull("vultus-s2")
    assert pulled.is_relative_to(tmp_path)
    store.remove("vultus-s2")
    assert store.path("vultus-s2").is_relative_to(built_in_files())


def test_the_built_in_embedder_states_its_terms_and_its_error_rates() -> None:
    card = built_in_cards()["vultus-s2"]
    assert not card.licence.commercial_use
    rates = [point.fmr for point in card.thresholds.points if point.fmr is not None]
    assert rates == pytest.approx([1e-2, 1e-3, 1e-4, 1e-5, 1e-6], rel=0.01)
    assert 128 <= card.embedding_dim <= 512
    assert card.min_norm == 12
    assert built_in_cards()["mobilefacenet-y1"].min_norm == 14


@pytest.mark.parametrize("name", NAMES)
def test_what_is_read_in_haste_stands_up_to_the_reader(name: str) -> None:
    text = files("vultus.models").joinpath("cards", f"{name}.toml").read_text(encoding="utf-8")
    # The text tells floats from ints.
    assert repr(built_in_cards()[name]) == repr(ModelCard.from_toml(text))


def test_recognition_with_a_built_in_model_does_not_load_pydantic() -> None:
    code = "import vultus, sys; vultus.Recognizer(); sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture
def public_store(public_mirror: str | None, tmp_path: Path) -> ModelStore:
    if not public_mirror:
        pytest.skip("needs public model files: set VULTUS_MODELS_MIRROR to their folder")
    return ModelStore(tmp_path, public_mirror.split(os.pathsep), offline=True)


@pytest.mark.models
@pytest.mark.parametrize("name", list(built_in_cards()))
def test_a_public_file_is_what_its_card_says(public_store: ModelStore, name: str) -> None:
    card = public_store.card(name)
    path = public_store.find(name)
    if path is None:
        pytest.skip(f"{card.file_name} is not in the mirror")
    assert public_store.verify(name) == path
    assert card.size_bytes in (None, path.stat().st_size)
    if card.task == "embedding":
        assert embedder_shapes(path).embedding_dim == card.embedding_dim
    else:
        check_graph(path)


@pytest.mark.parametrize("name", ["vultus-s2", "mobilefacenet-y1"])
def test_search_rates_are_of_the_models_space_and_carry_ten_thousand_people(name: str) -> None:
    text, card = built_in_rates(name), built_in_cards()[name]
    assert text is not None
    space = EmbeddingSpace(**json.loads(text)["space"])
    assert (space.model, space.weights_sha256, space.dim) == (card.name, card.sha256, 128)
    assert built_in_rates("sphere20") is None
    curves, misses = rates_from_package(text, space)
    rates = ModelRates(card.thresholds.points, curves, misses)
    before = 0.0
    for people in (10, 100, 1_000, 10_000):
        rule = threshold_for_gallery(rates, fpir=0.01, people_by_photos={1: people})
        assert rule.search is not None
        assert rule.search.fpir_high is not None
        assert rule.search.fnir is not None
        assert rule.search.fnir_high is not None
        assert before < rule.similarity < 0.6
        assert 0.01 < rule.search.fpir_high < 0.06
        assert rule.search.fnir < min(0.4, rule.search.fnir_high)
        before = rule.similarity
    with pytest.raises(CalibrationError, match="takes a calibration on"):
        threshold_for_gallery(rates, fpir=0.01, people_by_photos={1: 1_000_000})
    with pytest.raises(CalibrationError, match="at most 5% may be missed"):
        threshold_for_gallery(
            dataclasses.replace(rates, max_fnir=0.05), fpir=0.01, people_by_photos={1: 10_000}
        )
