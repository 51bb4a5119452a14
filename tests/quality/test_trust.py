import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import InputError, ModelError, SpaceMismatchError
from vultus.quality.trust import (
    CLEAN,
    Trust,
    TrustHead,
    damage_words,
    load_trust_head,
    save_trust_head,
)
from vultus.runtime.pools import Tap

SPACE = EmbeddingSpace("tiny", "a" * 64, "arcface-112 rgb (x-0)/1 flip=none", 4)
KINDS = (CLEAN, "noise", "stretched wide")
WIDE, HIDDEN = 5, 6


def head(**changes: Any) -> TrustHead:
    rng = np.random.default_rng(0)
    shapes = {
        "centre": (WIDE + 1,),
        "scale": (WIDE + 1,),
        "first": (WIDE + 1, HIDDEN),
        "first_bias": (HIDDEN,),
        "second": (HIDDEN, 5),
        "second_bias": (5,),
    }
    # Numbers that 16 bits hold, so that a file gives back what was written.
    arrays: dict[str, Any] = {
        name: rng.normal(size=shape).astype(np.float16).astype(np.float32)
        for name, shape in shapes.items()
    }
    arrays["scale"] = np.abs(arrays["scale"]) + 1
    values: dict[str, Any] = {
        "taps": (Tap("sum", 2),),
        "kinds": KINDS,
        "model_sha256": SPACE.weights_sha256,
        "preprocessing": SPACE.preprocessing,
        "min_trust": 0.4,
        "doubt": 0.2,
        "midpoint": 0.3,
        "width": 0.5,
        "norm_midpoint": 10.0,
        "norm_width": 2.0,
        "notes": "of random numbers",
        **arrays,
        **changes,
    }
    return TrustHead(**values)


def faces(n: int) -> tuple[np.ndarray[Any, Any], Embeddings]:
    rng = np.random.default_rng(1)
    raw = rng.normal(size=(n, 4)) * 8
    return rng.normal(size=(n, WIDE)).astype(np.float32), Embeddings.from_raw(raw, SPACE)


def test_a_head_is_two_layers_as_a_plain_loop_computes_them() -> None:
    net = head()
    pools, embeddings = faces(7)
    trust = net.judge(pools, embeddings)
    for row in range(7):
        x = [*pools[row], np.log(embeddings.norms[row])]
        z = [(v - c) / s for v, c, s in zip(x, net.centre, net.scale, strict=True)]
        hidden = [
            max(0.0, sum(z[i] * net.first[i, j] for i in range(WIDE + 1)) + net.first_bias[j])
            for j in range(HIDDEN)
        ]
        out = [
            sum(hidden[j] * net.second[j, k] for j in range(HIDDEN)) + net.second_bias[k]
            for k in range(5)
        ]
        damaged = 1 - np.exp(out[2]) / sum(np.exp(v) for v in out[2:])
        drawn = out[0] + 0.2 * damaged
        assert trust.score[row] == pytest.approx(1 / (1 + np.exp((drawn - 0.3) / 0.5)), rel=1e-4)
        assert trust.stretch[row] == pytest.approx(np.exp(np.clip(out[1], -1.5, 1.5)), rel=1e-4)
        strength = 1 / (1 + np.exp((10 - embeddings.norms[row]) / 2))
        assert trust.strength[row] == pytest.approx(strength, rel=1e-4)
        assert trust.damage[row] == ("noise" if out[3] > out[4] else "stretched wide")


def test_no_face_gives_no_row() -> None:
    assert len(head().judge(*faces(0))) == 0


def test_a_head_judges_its_own_embedders_faces_only() -> None:
    pools, embeddings = faces(2)
    with pytest.raises(SpaceMismatchError, match="belongs to bbbb"):
        head(model_sha256="b" * 64).judge(pools, embeddings)
    with pytest.raises(InputError, match="pools"):
        head().judge(pools[:, :3], embeddings)


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    net = head()
    save_trust_head(tmp_path / "net.npz", net)
    read = load_trust_head(tmp_path / "net.npz")
    for field in dataclasses.fields(net):
        np.testing.assert_array_equal(getattr(read, field.name), getattr(net, field.name))
    assert read.digest == net.digest
    assert dataclasses.replace(net, min_trust=0.5).digest != net.digest


def test_what_is_no_head_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(ModelError, match=r"other\.npz must be a trust head"):
        load_trust_head(tmp_path / "other.npz")
    with pytest.raises(InputError, match="first"):
        head(first=np.zeros((2, HIDDEN), np.float32))
    with pytest.raises(InputError, match="a kind 'clean'"):
        head(kinds=("a", "b", "c"))


@pytest.mark.parametrize(
    ("kind", "stretch", "words"),
    [
        ("turned 180 degrees", 1.0, "turned 180 degrees"),
        ("stretched wide", 1.31, "stretched 1.3 x in width"),
        ("stretched tall", 1 / 1.52, "stretched 1.5 x in height"),
    ],
)
def test_reasons_are_words(kind: str, stretch: float, words: str) -> None:
    assert damage_words(kind, stretch) == words


def test_rows_are_selected() -> None:
    trust = Trust(
        np.array([0.1, 0.9], np.float32),
        np.array([0.2, 0.8], np.float32),
        np.ones(2, np.float32),
        np.array(["noise", "too dark"]),
    )
    assert trust[1].damage.tolist() == ["too dark"]
