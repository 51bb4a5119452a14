import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from vultus.core.errors import ConfigError, ModelError, ModelNotFoundError
from vultus.core.faces import Image
from vultus.core.thresholds import Threshold
from vultus.data.damage import KINDS
from vultus.image.io import write_image
from vultus.models.built_in import built_in_cards
from vultus.models.cards import ModelCard, TrustFile
from vultus.models.digest import sha256_file
from vultus.models.store import ModelStore
from vultus.pipeline.grouping import group_photos
from vultus.pipeline.photos import Righting
from vultus.pipeline.recognizer import Recognizer
from vultus.pipeline.trust_head import (
    find_trust_file,
    find_trust_head,
    trust_limit_path,
    usual_trust_head,
)
from vultus.quality.committee_trust import CommitteeHead
from vultus.quality.gate import QualityGate
from vultus.quality.trust import TrustHead, load_trust_head, save_trust_head
from vultus.quality.trust_limit import TrustLimit, save_trust_limit
from vultus.runtime.pools import Tap

POOLS = 6  # means and deviations of three colours


def head(card: ModelCard, **changes: Any) -> TrustHead:
    """Trusts what is bright above: the mean of the upper red half decides."""
    first = np.zeros((2 * POOLS + 1, 2), np.float32)
    first[0, 0] = 1
    second = np.zeros((2, 4), np.float32)
    second[0, 0] = -1
    second[0, 3] = 1
    values: dict[str, Any] = {
        "taps": (Tap("pool", 2),),
        "kinds": ("clean", "turned 180 degrees"),
        "model_sha256": card.sha256,
        "preprocessing": "arcface-112 rgb (x-127.5)/128 flip=none",
        "min_trust": 0.5,
        "doubt": 0.0,
        "midpoint": 0.0,
        "width": 1.0,
        "norm_midpoint": 1.0,
        "norm_width": 1.0,
        "notes": "",
        "centre": np.zeros(2 * POOLS + 1, np.float32),
        "scale": np.ones(2 * POOLS + 1, np.float32),
        "first": first,
        "first_bias": np.zeros(2, np.float32),
        "second": second,
        "second_bias": np.zeros(4, np.float32),
    }
    return TrustHead(**{**values, **changes})


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "store", mirror=[])


def test_a_model_without_a_head_has_none(tiny_model: Path, store: ModelStore) -> None:
    assert find_trust_head(tiny_model, store=store) is None


def test_a_sites_own_head_is_found_and_checked(tiny_model: Path, store: ModelStore) -> None:
    card = ModelCard.from_file(tiny_model.with_suffix(".toml"))
    path = store.trust_path(card.name)
    path.parent.mkdir(parents=True)
    save_trust_head(path, head(card))
    found = find_trust_head(tiny_model, store=store)
    assert found is not None
    assert found.digest == head(card).digest

    save_trust_head(path, head(card, model_sha256="b" * 64))
    with pytest.raises(ModelError, match="must be a trust head of model 'tiny'"):
        find_trust_head(tiny_model, store=store)


def test_a_head_on_the_card_must_be_there_and_takes_the_cards_limit(
    tiny_model: Path, tmp_path: Path
) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    store = ModelStore(tmp_path / "store", mirror=[mirror])
    card = ModelCard.from_file(tiny_model.with_suffix(".toml"))
    save_trust_head(tmp_path / "tiny.npz", head(card))
    named = TrustFile("tiny.npz", sha256_file(tmp_path / "tiny.npz"), 0.3)
    with pytest.raises(ModelNotFoundError, match="trust head of model 'tiny'"):
        find_trust_file(dataclasses.replace(card, trust=named), store=store)

    (tmp_path / "tiny.npz").rename(mirror / "tiny.npz")
    (mirror / "tiny.onnx").write_bytes(tiny_model.read_bytes())
    found = find_trust_head(dataclasses.replace(card, trust=named), store=store)
    assert found is not None
    assert found.min_trust == 0.3


def test_a_committee_is_trusted_by_its_members_heads(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "store", mirror=[])
    name = "dlib-resnet+vultus-s2"
    found = find_trust_head(name, store=store)
    assert isinstance(found, CommitteeHead)
    own = find_trust_head("vultus-s2", store=store)
    assert isinstance(own, TrustHead)
    assert {member: one.digest for member, one in found.heads.items()} == {"vultus-s2": own.digest}
    assert found.weights_sha256 == store.card(name).sha256
    assert find_trust_head("edgeface-base+dlib-resnet", store=store) is None


def test_a_sites_limit_counts_for_the_model_and_for_committees_with_it(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "store", mirror=[])
    card = store.card("vultus-s2")
    usual = usual_trust_head(card, store=store)
    assert usual is not None
    limit = TrustLimit(
        model="vultus-s2",
        head_sha256=usual.digest,
        min_trust=0.4,
        usual_min_trust=usual.min_trust,
        cost=0.02,
        n_faces=100,
        n_refused=2,
        n_refused_by_usual=1,
        detector="mtcnn",
        created="2026-11-30T00:00:00Z",
    )
    save_trust_limit(trust_limit_path("vultus-s2", store=store), limit)
    found = find_trust_head("vultus-s2", store=store)
    assert found is not None
    assert found.min_trust == 0.4
    assert found.digest != usual.digest  # kept faces were judged by the other limit
    committee = find_trust_head("vultus-s2+dlib-resnet", store=store)
    assert isinstance(committee, CommitteeHead)
    assert committee.heads["vultus-s2"].min_trust == 0.4
    assert committee.min_trust == 0.2

    # A committee's own limit was measured with the limits of its members.
    path = trust_limit_path("dlib-resnet+vultus-s2", store=store)
    assert path == store.root / "vultus-s2+dlib-resnet" / "trust_limit.json"
    own = dataclasses.replace(limit, min_trust=0.7, head_sha256=committee.digest)
    save_trust_limit(path, own)
    limited = find_trust_head("vultus-s2+dlib-resnet", store=store)
    assert limited is not None
    assert limited.min_trust == 0.7
    trust_limit_path("vultus-s2", store=store).unlink()
    with pytest.raises(ConfigError, match="must be for the trust head of"):
        find_trust_head("vultus-s2+dlib-resnet", store=store)


def test_a_recogniser_refuses_with_the_reason_and_rights_what_it_can(
    tiny_model: Path, hopper: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path))
    card = ModelCard.from_file(tiny_model.with_suffix(".toml"))
    plain = next(Recognizer(embedder=tiny_model, threads=1).analyse([hopper]))
    assert plain.quality.trust is None
    path = ModelStore().trust_path(card.name)
    path.parent.mkdir(parents=True)

    save_trust_head(path, head(card, midpoint=-50.0))
    refusing = Recognizer(embedder=tiny_model, threads=1)
    refused = next(refusing.analyse([hopper]))
    assert refused.refusals[0][0].startswith("probably turned 180 degrees: trust 0.00")
    assert refused.righting == Righting()
    np.testing.assert_array_equal(refused.embeddings.vectors, plain.embeddings.vectors)
    assert refused.quality.to_dicts()[0]["trust"] < 0.01
    off = Recognizer(embedder=tiny_model, threads=1, gate=QualityGate(min_trust=0))
    assert next(off.analyse([hopper])).refusals == ((),)
    assert Recognizer(embedder=tiny_model, gate=None).reader() is None

    save_trust_head(path, head(card, midpoint=50.0))
    trusted = next(Recognizer(embedder=tiny_model, threads=1).analyse([hopper]))
    assert trusted.refusals == ((),)
    assert trusted.righting == Righting()


def test_two_doubtful_photos_need_more_similarity_to_be_one_person(
    tiny_model: Path, hopper: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path))
    card = ModelCard.from_file(tiny_model.with_suffix(".toml"))
    path = ModelStore().trust_path(card.name)
    path.parent.mkdir(parents=True)
    save_trust_head(path, head(card, midpoint=50.0, min_trust=0.2))
    good = Recognizer(embedder=tiny_model, threads=1).verify(hopper, hopper, threshold=0.6)
    assert (good.threshold.similarity, good.notes) == (0.6, ())

    save_trust_head(path, head(card, midpoint=0.0, width=10.0, min_trust=0.2))
    doubtful = Recognizer(embedder=tiny_model, threads=1)
    found = next(doubtful.analyse([hopper])).quality.trust
    assert found is not None
    trust = float(found[0])
    assert 0.2 < trust < 0.71
    answer = doubtful.verify(hopper, hopper, threshold=0.6)
    step = 0.15 * 0.075 / 0.09  # its thresholds of FMR 1e-2 to 1e-4 lie closer than usual
    raised = step * np.log(10 * 0.25 / (trust / (1 - trust)))
    assert answer.threshold.similarity == pytest.approx(0.6 + raised, abs=1e-4)
    assert answer.notes[0].startswith(f"both faces are doubtful (trust {trust:.2f} and {trust:.2f}")
    off = Recognizer(embedder=tiny_model, threads=1, gate=QualityGate(doubt_step=0))
    assert off.verify(hopper, hopper, threshold=0.6).threshold.similarity == 0.6


def test_two_doubtful_photos_are_not_grouped_by_what_spoiled_them(
    tiny_model: Path, hopper: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path / "home"))
    card = ModelCard.from_file(tiny_model.with_suffix(".toml"))
    path = ModelStore().trust_path(card.name)
    path.parent.mkdir(parents=True)
    photos = [tmp_path / "a.png", tmp_path / "b.png"]
    for photo, image in zip(photos, (hopper, hopper[:, ::-1]), strict=True):
        write_image(photo, image)
    pair = Recognizer(embedder=tiny_model, threads=1, gate=None).verify(*photos, threshold=0.5)
    between = Threshold(pair.similarity - 0.02)
    counts = {}
    for midpoint in (50.0, 0.0):
        save_trust_head(path, head(card, midpoint=midpoint, width=10.0, min_trust=0.2))
        recognizer = Recognizer(embedder=tiny_model, threads=1)
        counts[midpoint] = len(group_photos(recognizer, photos, threshold=between).people)
    assert counts == {50.0: 1, 0.0: 2}
    off = Recognizer(embedder=tiny_model, threads=1, gate=QualityGate(doubt_step=0))
    assert len(group_photos(off, photos, threshold=between).people) == 1


def altered(image: Image, way: str) -> Image:
    high, wide = image.shape[:2]
    if way == "turned 180 degrees":
        return np.ascontiguousarray(np.rot90(image, 2))
    if way == "turned onto its side":
        return np.ascontiguousarray(np.rot90(image, -1))
    if way == "stretched wide":
        return np.asarray(cv2.resize(image, (round(1.8 * wide), high)), np.uint8)
    noise = np.random.default_rng(0).normal(0, 150, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def built_in() -> Recognizer:
    return Recognizer(threads=1)


@pytest.mark.parametrize("name", [name for name, card in built_in_cards().items() if card.trust])
def test_the_heads_that_come_along_are_their_models(name: str, tmp_path: Path) -> None:
    card = built_in_cards()[name]
    path = find_trust_file(card, store=ModelStore(tmp_path, mirror=[]))
    assert path is not None
    head_of = load_trust_head(path)
    assert head_of.model_sha256 == card.sha256
    assert set(head_of.kinds) <= set(KINDS)  # a kind may be younger than a head
    assert card.trust is not None
    assert head_of.min_trust == card.trust.min_trust


@pytest.mark.parametrize(
    ("way", "righting"),
    [
        ("turned 180 degrees", Righting(turned_deg=180)),
        ("turned onto its side", Righting(turned_deg=90)),
        ("stretched wide", Righting(width=1.8)),
    ],
)
def test_the_built_in_model_rights_turned_and_stretched_photos(
    built_in: Recognizer, collins: Image, way: str, righting: Righting
) -> None:
    image = altered(collins, way)
    upright, found = built_in.analyse([collins, image])
    assert upright.righting == Righting()
    assert found.righting == righting
    assert not found.refusals[0]
    assert float(found.embeddings.vectors[0] @ upright.embeddings.vectors[0]) > 0.85
    answer = built_in.verify(collins, image)
    assert answer.same_person
    assert answer.notes == (f"photo 2: {righting.words}",)

    plain = Recognizer(threads=1, righting=())
    stored = next(plain.analyse([image]))
    assert stored.righting == Righting()
    assert not len(stored.faces) or stored.refusals[0][0].startswith(f"probably {way[:6]}")


def test_the_built_in_model_refuses_noise_by_its_name(built_in: Recognizer, hopper: Image) -> None:
    found = next(built_in.analyse([altered(hopper, "noise")]))
    assert found.refusals[0][0].startswith("probably noise: trust 0.")
