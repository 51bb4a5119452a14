import dataclasses
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.cbook import get_sample_data
from skimage.data import astronaut

from vultus.alignment.align import align_faces
from vultus.core.choices import Flip
from vultus.core.crops import AlignedCrops
from vultus.core.errors import (
    InputError,
    LicenceError,
    ModelError,
    ModelNotFoundError,
    RegistryError,
    SpaceMismatchError,
)
from vultus.core.faces import Faces
from vultus.core.similarity import paired_similarity, similarity_matrix
from vultus.core.thresholds import Threshold, ThresholdTable
from vultus.embedding.embedder import BATCH_SIZE, Committee, Embedder, open_embedder
from vultus.embedding.preprocess import network_input
from vultus.image.io import read_image
from vultus.models.cards import ModelCard
from vultus.models.committee import Member
from vultus.models.store import ModelStore
from vultus.runtime.pools import Tap, with_pools
from vultus.runtime.providers import installed_engines, openvino_core
from vultus.runtime.session import Session, open_session
from vultus.runtime.tensors import TensorSpec

Array = npt.NDArray[Any]
MakeCard = Callable[..., ModelCard]
MakeGraph = Callable[..., bytes]
_NO_OP = b"\x1a\x00"  # an empty producer version: another file, the same network
FLIPS: Sequence[Flip] = get_args(Flip)


@pytest.fixture(scope="module", params=["onnxruntime", "openvino"])
def session(request: pytest.FixtureRequest, make_graph: MakeGraph) -> Session:
    if request.param not in installed_engines():
        pytest.skip(f"{request.param} is not installed")
    return open_session(make_graph("b"), runtime=request.param, threads=1)


class FakeSession:
    """Gives the outputs that it is told to, and remembers the batches that came."""

    description = "fake"

    def __init__(self, *outputs: tuple[int | str, ...], batch: int | str = "b") -> None:
        self.inputs: tuple[TensorSpec, ...] = (
            TensorSpec("crops", (batch, 3, 112, 112), np.dtype(np.float32)),
        )
        shapes = outputs if outputs else ((batch, 8),)
        self.outputs = tuple(TensorSpec("e", s, np.dtype(np.float32)) for s in shapes)
        self.batches: list[int] = []
        self.answer: Callable[[int], Array] = lambda n: np.ones((n, 8), np.float32)

    def run(self, feeds: dict[str, Array]) -> list[Array]:
        (batch,) = feeds.values()
        self.batches.append(len(batch))
        return [self.answer(len(batch))]


def raw_by_hand(network: Callable[[Array], Array], crops: AlignedCrops, flip: Flip) -> Array:
    planes = network_input(crops.pixels, mean=127.5, std=128.0)
    plain, mirrored = network(planes), network(planes[..., ::-1])
    if flip == "concat":
        return np.concatenate([plain, mirrored], axis=1)
    return plain + mirrored if flip == "add" else plain


@pytest.mark.parametrize("flip", FLIPS)
def test_vectors_and_norms_are_those_of_the_network_by_hand(
    flip: Flip,
    session: Session,
    make_card: MakeCard,
    crops: AlignedCrops,
    tiny_network: Callable[[Array], Array],
) -> None:
    embeddings = Embedder(session, make_card(flip=flip)).embed(crops)
    raw = raw_by_hand(tiny_network, crops, flip)
    norms = np.linalg.norm(raw, axis=1)
    np.testing.assert_allclose(embeddings.norms, norms, rtol=1e-4)
    np.testing.assert_allclose(embeddings.vectors, raw / norms[:, None], atol=1e-4)
    assert embeddings.space.dim == (16 if flip == "concat" else 8)


@pytest.mark.parametrize("flip", FLIPS)
def test_alone_is_batched(
    flip: Flip, session: Session, make_card: MakeCard, crops: AlignedCrops
) -> None:
    embedder = Embedder(session, make_card(flip=flip))
    batched = embedder.embed(crops)
    alone = np.concatenate([embedder.embed(crops[i]).vectors for i in range(len(crops))])
    np.testing.assert_allclose(alone, batched.vectors, rtol=0, atol=1e-5)
    shuffled = np.random.default_rng(0).permutation(len(crops))
    again = embedder.embed(crops[shuffled]).vectors
    np.testing.assert_allclose(again, batched.vectors[shuffled], rtol=0, atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("flip", ["none", "add"])
def test_the_batch_size_changes_nothing(
    batch_size: int, flip: Flip, session: Session, make_card: MakeCard, crops: AlignedCrops
) -> None:
    usual = Embedder(session, make_card(flip=flip)).embed(crops)
    other = Embedder(session, make_card(flip=flip), batch_size=batch_size).embed(crops)
    np.testing.assert_allclose(other.vectors, usual.vectors, rtol=0, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 4, 50])
def test_a_graph_with_a_fixed_batch_gives_the_same(
    batch: int, make_graph: MakeGraph, make_card: MakeCard, crops: AlignedCrops
) -> None:
    free, fixed = (open_session(make_graph(b), threads=1) for b in ("b", batch))
    card = make_card(flip="add")
    np.testing.assert_allclose(
        Embedder(fixed, card).embed(crops).vectors,
        Embedder(free, card).embed(crops).vectors,
        rtol=0,
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("flip", "batch_size", "batches"),
    [
        ("none", 16, [16, 16, 4, 1]),
        ("none", 100, [32, 4, 1]),
        ("add", 16, [16, 16, 16, 16, 8, 2]),
        ("add", 1, [1] * 74),
        ("none", 10, [10, 10, 10, 4, 2, 1]),
    ],
)
def test_batches_are_few_sizes_and_nothing_is_computed_twice(
    flip: Flip, batch_size: int, batches: list[int], make_card: MakeCard, crops: AlignedCrops
) -> None:
    session = FakeSession()
    Embedder(session, make_card(flip=flip), batch_size=batch_size).embed(crops)
    assert session.batches == batches


def test_a_mirrored_photo_has_the_same_embedding_when_views_are_added(
    session: Session, make_card: MakeCard, crops: AlignedCrops
) -> None:
    mirrored = AlignedCrops(crops.pixels[:, :, ::-1], crops.transforms, crops.template)
    embedder = Embedder(session, make_card(flip="add"))
    a, b = embedder.embed(crops), embedder.embed(mirrored)
    np.testing.assert_allclose(a.vectors, b.vectors, atol=1e-5)
    plain = Embedder(session, make_card())
    assert paired_similarity(plain.embed(crops), plain.embed(mirrored)).min() < 0.9


def test_the_colour_order_of_the_card_is_used(
    session: Session, make_card: MakeCard, crops: AlignedCrops
) -> None:
    swapped = AlignedCrops(crops.pixels[..., ::-1], crops.transforms, crops.template)
    rgb = Embedder(session, make_card()).embed(crops)
    bgr = Embedder(session, make_card(colour="bgr")).embed(swapped)
    np.testing.assert_array_equal(rgb.vectors, bgr.vectors)


def test_eight_threads_share_one_embedder(
    session: Session, make_card: MakeCard, crops: AlignedCrops
) -> None:
    embedder = Embedder(session, make_card(flip="add"))
    expected = embedder.embed(crops).vectors
    slices = [slice(i % 30, i % 30 + 1 + i % 7) for i in range(60)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda part: embedder.embed(crops[part]).vectors, slices))
    for part, vectors in zip(slices, results, strict=True):
        np.testing.assert_allclose(vectors, expected[part], rtol=0, atol=1e-5)


def test_no_crop_gives_no_embedding(make_card: MakeCard, crops: AlignedCrops) -> None:
    session = FakeSession()
    embeddings = Embedder(session, make_card(flip="concat")).embed(crops[:0])
    assert embeddings.vectors.shape == (0, 16)
    assert session.batches == []


def test_the_space_tells_settings_apart(make_card: MakeCard, crops: AlignedCrops) -> None:
    session = FakeSession()
    card = make_card()
    space = Embedder(session, card).space
    assert (space.model, space.weights_sha256, space.dim) == ("tiny", card.sha256, 8)
    assert space.preprocessing == "arcface-112 rgb (x-127.5)/128 flip=none"
    assert Embedder(session, card, batch_size=3).space == space
    a = Embedder(session, card).embed(crops)
    for other in (make_card(flip="add"), make_card(std=127.5), make_card(colour="bgr")):
        with pytest.raises(SpaceMismatchError, match="different preprocessing"):
            similarity_matrix(a, Embedder(session, other).embed(crops))


def test_thresholds_hold_for_the_cards_flip_only(make_card: MakeCard) -> None:
    table = ThresholdTable((Threshold(0.3, 1e-3, 10_000, "a test"),))
    card = make_card(thresholds=table, flip="add")
    assert Embedder(FakeSession(), card).thresholds == table
    assert Embedder(FakeSession(), card, flip="add").thresholds == table
    assert Embedder(FakeSession(), card, flip="none").thresholds.points == ()


def test_the_least_norm_holds_for_the_cards_flip_only(make_card: MakeCard) -> None:
    card = make_card(min_norm=3.5, flip="add")
    assert Embedder(FakeSession(), card).min_norm == 3.5
    assert Embedder(FakeSession(), card, flip="none").min_norm == 0


def test_crops_of_another_template_or_size_are_refused(
    session: Session, make_card: MakeCard, crops: AlignedCrops
) -> None:
    embedder = Embedder(session, make_card())
    other = AlignedCrops(crops.pixels, crops.transforms, "facenet-160")
    with pytest.raises(InputError, match=r"template 'arcface-112', got 'facenet-160'"):
        embedder.embed(other)
    cut = AlignedCrops(crops.pixels[:, :, :96], crops.transforms, "arcface-112")
    with pytest.raises(InputError, match=r"height and width \(112, 112\), got \(112, 96\)"):
        embedder.embed(cut)


def test_the_size_is_checked_where_the_graph_leaves_it_free(
    make_graph: MakeGraph, make_card: MakeCard, crops: AlignedCrops
) -> None:
    embedder = Embedder(open_session(make_graph("b", size="side")), make_card())
    assert len(embedder.embed(crops[:2])) == 2
    larger = AlignedCrops(np.zeros((1, 128, 128, 3), np.uint8), crops.transforms[:1], "arcface-112")
    with pytest.raises(InputError, match=r"got \(128, 128\)"):
        embedder.embed(larger)


@pytest.mark.parametrize(
    ("card_changes", "graph"),
    [
        ({"embedding_dim": 16}, {}),
        ({"template": "sphereface-112x96"}, {}),
        ({}, {"channels": 1}),
    ],
)
def test_a_graph_that_does_not_fit_its_card_is_refused(
    card_changes: dict[str, Any], graph: dict[str, Any], make_graph: MakeGraph, make_card: MakeCard
) -> None:
    session = open_session(make_graph("b", **graph))
    with pytest.raises(ModelError, match=r"'tiny' must have .* and has: crops: float32"):
        Embedder(session, make_card(**card_changes))


def test_graphs_of_another_kind_are_refused(make_card: MakeCard) -> None:
    several = FakeSession()
    several.inputs *= 2
    for session in (several, FakeSession(("b", 8, 1)), FakeSession(("b",))):
        with pytest.raises(ModelError, match="'tiny' must have"):
            Embedder(session, make_card())


@pytest.mark.parametrize("answer", [np.ones((3, 8)), np.ones((4, 9)), np.ones((4, 8, 1))])
def test_outputs_that_are_not_one_row_a_view_are_refused(
    answer: Array, make_card: MakeCard, crops: AlignedCrops
) -> None:
    session = FakeSession(("b", "dim"))
    session.answer = lambda n: answer
    with pytest.raises(ModelError, match=r"must give \(4, 8\) for 4 views, got"):
        Embedder(session, make_card()).embed(crops[:4])


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_a_row_without_direction_is_refused(
    value: float, make_card: MakeCard, crops: AlignedCrops
) -> None:
    session = FakeSession()
    session.answer = lambda n: np.full((n, 8), value, np.float32)
    with pytest.raises(InputError, match=r"bad rows \[0, 1\]"):
        Embedder(session, make_card()).embed(crops[:2])


def test_wrong_settings_are_refused(make_card: MakeCard) -> None:
    with pytest.raises(InputError, match="flip must be none, add or concat, got 'mirror'"):
        Embedder(FakeSession(), make_card(), flip="mirror")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="batch_size must be an integer of at least 1, got 0"):
        Embedder(FakeSession(), make_card(), batch_size=0)


def mobilefacenet(**settings: Any) -> Embedder:
    mirror = os.environ.get("VULTUS_MODELS_MIRROR")
    if not mirror:
        pytest.skip("VULTUS_MODELS_MIRROR is not set")
    return open_embedder("mobilefacenet-y1", store=ModelStore(Path("no-store"), mirror), **settings)


@pytest.fixture(scope="module")
def people() -> AlignedCrops:
    """Two views of an astronaut and two of an admiral; landmarks read off the photos."""
    admiral = read_image(str(get_sample_data("grace_hopper.jpg", asfileobj=False)))
    astronaut_photo = astronaut()  # type: ignore[no-untyped-call]
    places = [
        (read_image(astronaut_photo), [[197, 105], [244, 105], [221, 131], [203, 151], [241, 151]]),
        (admiral, [[222, 204], [283, 192], [262, 232], [241, 274], [287, 265]]),
    ]
    parts = []
    for image, points in places:
        for nudge in (0.0, 2.5):
            landmarks = np.array([points], np.float32)
            landmarks[:, ::2] += nudge
            box = np.concatenate([landmarks.min(axis=1), landmarks.max(axis=1)], axis=1)
            parts.append(align_faces(image, Faces(box, landmarks, np.ones(1, np.float32))))
    return AlignedCrops.concatenate(parts)


@pytest.mark.models
def test_a_real_network_tells_two_people_apart(people: AlignedCrops) -> None:
    embeddings = mobilefacenet().embed(people)
    similarity = similarity_matrix(embeddings, embeddings)
    assert similarity[0, 1] > 0.6
    assert similarity[2, 3] > 0.6
    assert similarity[:2, 2:].max() < 0.25


@pytest.mark.models
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_a_real_network_alone_is_batched(
    runtime: Literal["onnxruntime", "openvino"],
    precision: Literal["f32", "bf16"],
    people: AlignedCrops,
    crops: AlignedCrops,
) -> None:
    if precision == "bf16":
        skip_without_bf16(runtime)
    embedder = mobilefacenet(runtime=runtime, precision=precision, threads=2)
    many = AlignedCrops.concatenate([people, crops[: BATCH_SIZE + 3]])
    batched = embedder.embed(many).vectors
    alone = np.concatenate([embedder.embed(many[i]).vectors for i in range(len(many))])
    np.testing.assert_allclose(alone, batched, rtol=0, atol=1e-5)


@pytest.mark.models
def test_engines_share_one_space(people: AlignedCrops) -> None:
    exact = mobilefacenet(runtime="onnxruntime").embed(people)
    same = mobilefacenet(runtime="openvino").embed(people)
    assert paired_similarity(exact, same).min() > 0.99999


@pytest.mark.models
def test_precisions_share_one_space(people: AlignedCrops) -> None:
    skip_without_bf16("openvino")
    exact = mobilefacenet(runtime="openvino").embed(people)
    rounded = mobilefacenet(runtime="openvino", precision="bf16").embed(people)
    assert paired_similarity(exact, rounded).min() > 0.998


def skip_without_bf16(runtime: Literal["onnxruntime", "openvino"]) -> None:
    if runtime == "onnxruntime":
        pytest.skip("ONNX Runtime has no bf16")
    if "BF16" not in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this processor has no bfloat16 arithmetic")


class TestCommittee:
    @pytest.fixture
    def members(self, make_card: MakeCard, make_graph: MakeGraph) -> list[Embedder]:
        """Two tiny embedders that differ in how they scale pixels, and in the mirrored view."""
        session = open_session(make_graph("b"), runtime="onnxruntime", threads=1)
        first = make_card(name="one", sha256="1" * 64, min_norm=2.0)
        second = make_card(name="two", sha256="2" * 64, std=40.0, flip="concat")
        return [Embedder(session, first), Embedder(session, second)]

    @pytest.fixture
    def names(self) -> tuple[Member, ...]:
        return Member("one", 0.7), Member("two", 0.3)

    def test_similarities_are_the_weighted_sum_of_the_members(
        self, members: list[Embedder], names: tuple[Member, ...], crops: AlignedCrops
    ) -> None:
        joined = Committee(members, names).embed(crops)
        assert joined.vectors.shape == (len(crops), 8 + 16)
        one, two = (member.embed(crops).vectors.astype(np.float64) for member in members)
        wanted = 0.7 * one @ one.T + 0.3 * two @ two.T
        got = similarity_matrix(joined, joined)
        np.testing.assert_allclose(got, wanted, atol=1e-6)

    def test_a_face_alone_is_the_face_in_a_batch(
        self, members: list[Embedder], names: tuple[Member, ...], crops: AlignedCrops
    ) -> None:
        committee = Committee(members, names)
        together = committee.embed(crops[:5]).vectors
        alone = np.concatenate([committee.embed(crops[i]).vectors for i in range(5)])
        np.testing.assert_allclose(alone, together, atol=1e-6)
        assert len(committee.embed(crops[:0])) == 0

    def test_it_is_a_space_of_its_own(
        self, members: list[Embedder], names: tuple[Member, ...], crops: AlignedCrops
    ) -> None:
        space = Committee(members, names).space
        assert space.model == "one@0.7+two@0.3"
        assert space.dim == 24
        assert space not in [member.space for member in members]
        assert space != Committee(members, [Member("one", 0.6), Member("two", 0.4)]).space
        unmirrored = [members[0], Embedder(members[1]._session, members[1].card, flip="none")]
        assert space != Committee(unmirrored, names).space
        with pytest.raises(SpaceMismatchError):
            similarity_matrix(
                Committee(members, names).embed(crops[:1]), members[0].embed(crops[:1])
            )

    def test_norms_count_in_least_norms(
        self, members: list[Embedder], names: tuple[Member, ...], crops: AlignedCrops
    ) -> None:
        committee = Committee(members, names)
        one, two = (member.embed(crops).norms for member in members)
        np.testing.assert_allclose(committee.embed(crops).norms, one / 2, rtol=1e-6)
        assert committee.min_norm == 1
        free = [Embedder(m._session, dataclasses.replace(m.card, min_norm=0.0)) for m in members]
        committee = Committee(free, names)
        assert committee.min_norm == 0
        np.testing.assert_allclose(committee.embed(crops).norms, 0.7 * one + 0.3 * two, rtol=1e-5)
        both = [Embedder(m._session, dataclasses.replace(m.card, min_norm=3.0)) for m in members]
        least = np.minimum(one, two) / 3
        np.testing.assert_allclose(Committee(both, names).embed(crops).norms, least, rtol=1e-6)

    def test_another_flip_leaves_no_threshold_and_no_least_norm(
        self, members: list[Embedder], names: tuple[Member, ...]
    ) -> None:
        turned = [Embedder(member._session, member.card, flip="add") for member in members]
        assert Committee(turned, names).min_norm == 0
        assert not Committee(turned, names).thresholds.points


class TestOpenCommittee:
    @pytest.fixture
    def store(self, tmp_path: Path, make_card: MakeCard, make_graph: MakeGraph) -> ModelStore:
        """A store with two imported models of one file, and one of another template."""
        store = ModelStore(tmp_path / "store")
        for name, template in (("one", "arcface-112"), ("two", "arcface-112")):
            path = tmp_path / f"{name}.onnx"
            path.write_bytes(make_graph("b") + (b"" if name == "one" else _NO_OP))
            values = make_card(name=name, template=template).to_dict()
            for key in ("sha256", "file_name"):
                values.pop(key)
            store.import_model(path, values)
        return store

    def test_by_name(self, store: ModelStore, crops: AlignedCrops) -> None:
        committee = open_embedder("two+one", store=store, threads=1)
        assert isinstance(committee, Committee)
        assert committee.card == store.card("one+two")
        assert committee.space.model == "one+two"
        one = open_embedder("one", store=store).embed(crops[:4]).vectors
        got = committee.embed(crops[:4]).vectors
        np.testing.assert_allclose(got[:, :8], one * 0.5**0.5, atol=1e-6)

    def test_what_cannot_be_is_refused(self, store: ModelStore) -> None:
        with pytest.raises(InputError, match="must differ"):
            open_embedder("one+one", store=store)
        with pytest.raises(RegistryError, match="no 'three'"):
            open_embedder("one+three", store=store)
        with pytest.raises(InputError, match="must be an embedding model"):
            open_embedder("one+yunet-2023mar", store=store)
        with pytest.raises(ModelNotFoundError, match="no model file at"):
            open_embedder("one+two.onnx", store=store)

    def test_the_policy_names_the_member(self, store: ModelStore) -> None:
        strict = ModelStore(store.root, policy="commercial-only")
        with pytest.raises(LicenceError, match="'vultus-s2' must not be used"):
            open_embedder("one+vultus-s2", store=strict)


@pytest.mark.parametrize("flip", FLIPS)
def test_pools_are_the_means_over_the_views_and_change_no_vector(
    make_graph: MakeGraph, make_card: MakeCard, crops: AlignedCrops, tmp_path: Path, flip: Flip
) -> None:
    path = tmp_path / "tiny.onnx"
    path.write_bytes(make_graph("b"))
    card = make_card(flip=flip)
    path.with_suffix(".toml").write_text(card.to_toml(), encoding="utf-8")
    plain = open_embedder(path, threads=1)
    pooling = open_embedder(path, threads=1, taps=[Tap("features")])
    embeddings, pools = pooling.embed_with_pools(crops)
    np.testing.assert_array_equal(embeddings.vectors, plain.embed(crops).vectors)
    assert plain.embed_with_pools(crops)[1] is None
    assert pools is not None
    assert pools.shape == (37, 8)
    if flip == "none":
        return
    mirrored = AlignedCrops(crops.pixels[:, :, ::-1].copy(), crops.transforms, crops.template)
    # The views of a mirrored crop are the same two in the other order.
    other = pooling.embed_with_pools(mirrored)[1]
    assert other is not None
    np.testing.assert_allclose(other, pools, rtol=1e-4, atol=1e-6)


def test_a_committee_gives_the_pools_and_norms_of_the_members_that_have_some(
    make_graph: MakeGraph, make_card: MakeCard, crops: AlignedCrops
) -> None:
    plain = open_session(make_graph("b"), threads=1)
    tapped = open_session(with_pools(make_graph("b"), [Tap("features")]), threads=1)
    members = [
        Embedder(plain, make_card(name="one", sha256="1" * 64)),
        Embedder(tapped, make_card(name="two", sha256="2" * 64, std=40.0), pools=True),
        Embedder(tapped, make_card(name="three", sha256="3" * 64, std=90.0), pools=True),
    ]
    committee = Committee(members, [Member("one", 0.5), Member("two", 0.3), Member("three", 0.2)])
    assert committee.has_pools
    joined, pools = committee.embed_with_pools(crops)
    np.testing.assert_array_equal(joined.vectors, committee.embed(crops).vectors)
    parts = []
    for member in members[1:]:
        embedded, own = member.embed_with_pools(crops)
        assert own is not None
        parts += [own, embedded.norms[:, None]]
    assert pools is not None
    np.testing.assert_array_equal(pools, np.concatenate(parts, axis=1))
    assert committee.embed_with_pools(crops[:0])[1] is None


def test_no_crop_has_no_pools(make_graph: MakeGraph, make_card: MakeCard) -> None:
    session = open_session(with_pools(make_graph("b"), [Tap("features")]), threads=1)
    empty = AlignedCrops(
        np.zeros((0, 112, 112, 3), np.uint8), np.zeros((0, 2, 3), np.float32), "arcface-112"
    )
    embeddings, pools = Embedder(session, make_card(), pools=True).embed_with_pools(empty)
    assert len(embeddings) == 0
    assert pools is None
