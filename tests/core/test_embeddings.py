import numpy as np
import pytest

from vultus.core.embeddings import (
    Embeddings,
    EmbeddingSpace,
    Template,
    TemplateSet,
    check_same_space,
)
from vultus.core.errors import InputError, SpaceMismatchError

SPACE = EmbeddingSpace("net", "0" * 64, "arcface-112 rgb", 4)


def random_embeddings(n: int, space: EmbeddingSpace = SPACE, *, seed: int = 0) -> Embeddings:
    raw = np.random.default_rng(seed).normal(size=(n, space.dim))
    return Embeddings.from_raw(raw, space)


def test_from_raw_gives_unit_rows_and_remembers_the_norms() -> None:
    raw = np.array([[3, 4, 0, 0], [0, 0, 0, 2]], np.float32)
    made = Embeddings.from_raw(raw, SPACE)
    assert made.norms.tolist() == [5, 2]
    np.testing.assert_allclose(made.vectors[0], [0.6, 0.8, 0, 0], atol=1e-7)


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_a_row_without_direction_is_refused(bad: float) -> None:
    raw = np.ones((3, 4))
    raw[1] = bad
    with pytest.raises(InputError, match=r"bad rows \[1\]"):
        Embeddings.from_raw(raw, SPACE)


def test_rows_that_are_not_unit_are_refused() -> None:
    with pytest.raises(InputError, match="length 1, row 1 has 2"):
        Embeddings(np.diag([1, 2, 1, 1]).astype(np.float32), np.ones(4, np.float32), SPACE)


def test_another_dimension_is_refused() -> None:
    with pytest.raises(InputError, match=r"shape \(n, 4\)"):
        Embeddings(np.eye(3, dtype=np.float32), np.ones(3, np.float32), SPACE)


def test_spaces_differing_in_any_field_cannot_be_compared() -> None:
    others = [
        EmbeddingSpace("other", "0" * 64, "arcface-112 rgb", 4),
        EmbeddingSpace("net", "1" * 64, "arcface-112 rgb", 4),
        EmbeddingSpace("net", "0" * 64, "arcface-112 bgr", 4),
        EmbeddingSpace("net", "0" * 64, "arcface-112 rgb", 5),
    ]
    check_same_space(SPACE, EmbeddingSpace("net", "0" * 64, "arcface-112 rgb", 4))
    fields = ["model", "weights_sha256", "preprocessing", "dim"]
    for other, field in zip(others, fields, strict=True):
        with pytest.raises(SpaceMismatchError, match=f"different {field}"):
            check_same_space(SPACE, other)


@pytest.mark.parametrize("digest", ["", "0" * 63, "G" * 64, "A" * 64])
def test_a_digest_must_be_hexadecimal(digest: str) -> None:
    with pytest.raises(InputError, match="weights_sha256"):
        EmbeddingSpace("net", digest, "x", 4)


def test_concatenate_keeps_quality_only_when_all_have_it() -> None:
    plain = random_embeddings(2)
    graded = Embeddings(plain.vectors, plain.norms, SPACE, np.array([0.1, 0.9], np.float32))
    both = Embeddings.concatenate([graded, graded])
    assert both.quality is not None
    assert both.quality.tolist() == pytest.approx([0.1, 0.9, 0.1, 0.9])
    assert Embeddings.concatenate([graded, plain]).quality is None
    stranger = random_embeddings(1, EmbeddingSpace("net", "1" * 64, "arcface-112 rgb", 4))
    with pytest.raises(SpaceMismatchError):
        Embeddings.concatenate([plain, stranger])


def test_selection_carries_all_fields() -> None:
    plain = random_embeddings(3)
    graded = Embeddings(plain.vectors, plain.norms, SPACE, np.array([0, 0.5, 1], np.float32))
    last = graded[-1]
    assert len(last) == 1
    assert last.quality is not None
    assert last.quality[0] == 1
    assert last.norms[0] == plain.norms[2]


def test_a_template_is_a_unit_vector_of_its_space() -> None:
    vector = random_embeddings(1).vectors[0]
    assert Template(vector, SPACE, "Ada", 3).n_images == 3
    with pytest.raises(InputError, match="length 1"):
        Template(vector * np.float32(2), SPACE, "Ada", 3)
    with pytest.raises(InputError, match="n_images"):
        Template(vector, SPACE, "Ada", 0)


def test_a_set_of_templates_holds_each_person_once() -> None:
    vectors = np.array(random_embeddings(2).vectors)
    with pytest.raises(InputError, match="'Ada' twice"):
        TemplateSet(vectors, ("Ada", "Ada"), SPACE)
    with pytest.raises(InputError, match="length 1"):
        TemplateSet(vectors * np.float32(2), ("Ada", "Bob"), SPACE)
    with pytest.raises(InputError, match="at least one"):
        TemplateSet.from_templates([])


def test_as_an_array_they_are_their_vectors() -> None:
    made = random_embeddings(3)
    np.testing.assert_array_equal(np.asarray(made), made.vectors)
    assert np.asarray(made, np.float64).dtype == np.float64
    assert np.array(made).flags.writeable
