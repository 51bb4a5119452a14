"""A learned score beside an embedder: may its similarity be trusted for this face, and if not, why.

A face that was turned, stretched or drowned in noise still gets an embedding, and that lies near
the embeddings of strangers whose photos were spoiled in the same way. The embedder's own inner maps
know: a small network on their means and spreads says how strongly a face is drawn to such
strangers, and what was done to the photo.
"""

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.core.checks import check_array
from vultus.core.embeddings import Embeddings
from vultus.core.errors import InputError, ModelError, SpaceMismatchError
from vultus.core.files import write_bytes
from vultus.core.npz_file import read_npz
from vultus.core.rows import Rows, freeze_arrays
from vultus.runtime.pools import Tap

Floats = npt.NDArray[np.float32]

FORMAT = "vultus-trust-1"
CLEAN = "clean"
_MEASURED = 2
"""Outputs before the kinds: attraction, the logarithm of the stretch."""

_STRETCHED = ("stretched wide", "stretched tall")
_ARRAYS = ("centre", "scale", "first", "first_bias", "second", "second_bias")


@dataclass(frozen=True, slots=True, eq=False)
class Trust(Rows):
    """What a `TrustHead` says of n faces.

    Attributes:
        score: (n,) float32 in [0, 1]; 1 where nothing speaks against the face.
        strength: (n,) float32 in [0, 1]: the embedding's norm on the scale of clean faces.
        stretch: (n,) float32: guess of width over height as it should be; 1 where not stretched.
        damage: (n,) text: what was most likely done to the photo; `CLEAN` is never among it.
    """

    score: Floats
    strength: Floats
    stretch: Floats
    damage: npt.NDArray[Any]

    def __post_init__(self) -> None:
        for name in ("score", "strength", "stretch"):
            check_array(name, getattr(self, name), dtype=np.float32, shape=(len(self.score),))
        freeze_arrays(self)


@dataclass(frozen=True, slots=True, eq=False)
class TrustHead:
    """A two-layer network on the pools of an embedder's inner maps.

    ``hidden = max(0, ((pools, log norm) - centre) / scale @ first + first_bias)``, and the outputs
    are ``hidden @ second + second_bias``: attraction to strangers, log of the stretch, then
    one logit a kind of damage.

    Attributes:
        taps: Which inner maps are pooled, in order; see `vultus.runtime.pools.with_pools`.
        kinds: The kinds of damage, one a logit; one is `CLEAN`, and two may be called alike.
        model_sha256: Digest of the embedder's file that it was trained beside.
        preprocessing: Of that embedder's space.
        min_trust: Least score of a face that can be judged, in [0, 1].
        doubt: What is added to the attraction of a face that is surely damaged; of others less.
        midpoint: The attraction, doubt included, at which the score is one half.
        width: How fast the score falls: a quarter of a step of the attraction at the midpoint.
        norm_midpoint: The norm whose strength is one half.
        norm_width: A quarter of a step of the norm at the midpoint.
        notes: What it was made of and how it was judged.
        centre: (d + 1,) float32, of pools and log norm.
        scale: (d + 1,) float32.
        first: (d + 1, hidden) float32.
        first_bias: (hidden,) float32.
        second: (hidden, 2 + kinds) float32.
        second_bias: (2 + kinds,) float32.

    Raises:
        InputError: If shapes do not match.
    """

    taps: tuple[Tap, ...]
    kinds: tuple[str, ...]
    model_sha256: str
    preprocessing: str
    min_trust: float
    doubt: float
    midpoint: float
    width: float
    norm_midpoint: float
    norm_width: float
    notes: str
    centre: Floats
    scale: Floats
    first: Floats
    first_bias: Floats
    second: Floats
    second_bias: Floats

    def __post_init__(self) -> None:
        wide, hidden = len(self.centre), len(self.first_bias)
        outputs = _MEASURED + len(self.kinds)
        shapes = ((wide,), (wide,), (wide, hidden), (hidden,), (hidden, outputs), (outputs,))
        for name, shape in zip(_ARRAYS, shapes, strict=True):
            check_array(name, getattr(self, name), dtype=np.float32, shape=shape)
        if CLEAN not in self.kinds or not self.taps or min(self.width, self.norm_width) <= 0:
            raise InputError(f"a trust head must have taps, widths above 0 and a kind {CLEAN!r}")
        freeze_arrays(self)

    @property
    def digest(self) -> str:
        """Of its numbers and limits: two heads that judge alike have the same."""
        told = hashlib.sha256(repr((self.taps, self.kinds, *self._numbers())).encode())
        for name in _ARRAYS:
            told.update(getattr(self, name).tobytes())
        return told.hexdigest()

    @property
    def n_pools(self) -> int:
        """How many numbers of inner maps it judges a face by."""
        return len(self.centre) - 1

    def _numbers(self) -> tuple[float, ...]:
        return (
            self.min_trust,
            self.doubt,
            self.midpoint,
            self.width,
            self.norm_midpoint,
            self.norm_width,
        )

    def judge(self, pools: Floats, embeddings: Embeddings) -> Trust:
        """Say of each face how far its embedding may be trusted.

        Args:
            pools: (n, d) float32, of the same faces.
            embeddings: Of n faces, by the embedder that the head belongs to.

        Raises:
            InputError: If the pools are of another shape.
            SpaceMismatchError: If the embeddings are of another model or preprocessing.
        """
        space = embeddings.space
        if (space.weights_sha256, space.preprocessing) != (self.model_sha256, self.preprocessing):
            raise SpaceMismatchError(
                f"the trust head belongs to {self.model_sha256[:12]} ({self.preprocessing}), the "
                f"embeddings are of {space}"
            )
        return self.judge_norms(pools, embeddings.norms)

    def judge_norms(self, pools: Floats, norms: Floats) -> Trust:
        """As `judge`, of the lengths of embeddings alone: the caller knows their space.

        Args:
            pools: (n, d) float32.
            norms: (n,) float32, before embeddings were normalised.

        Raises:
            InputError: If the pools are of another shape.
        """
        check_array("pools", pools, dtype=np.float32, shape=(len(norms), self.n_pools))
        outputs = self.outputs(pools, norms)
        logits = outputs[:, _MEASURED:].copy()
        logits[:, self.kinds.index(CLEAN)] = -np.inf  # a reason is asked for, not whether
        names = np.array(self.kinds)
        return Trust(
            score=_logistic((self.midpoint - self.drawn(outputs)) / self.width),
            strength=_logistic((norms - self.norm_midpoint) / self.norm_width),
            stretch=np.exp(np.clip(outputs[:, 1], -1.5, 1.5)),
            damage=names[logits.argmax(axis=1)] if len(logits) else names[:0],
        )

    def drawn(self, outputs: Floats) -> Floats:
        """(n,) float32, of (n, 2 + kinds) outputs: attraction and doubt, with which scores fall."""
        logits = outputs[:, _MEASURED:]
        above = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
        damaged = 1 - above[:, self.kinds.index(CLEAN)] / above.sum(axis=1)
        return np.asarray(outputs[:, 0] + self.doubt * damaged, np.float32)

    def outputs(self, pools: Floats, norms: Floats) -> Floats:
        """(n, 2 + kinds) float32: all outputs as they are; see the class."""
        logs = np.log(np.maximum(norms, 1e-6))[:, None]
        features = (np.concatenate([pools, logs], axis=1) - self.centre) / self.scale
        # Beyond what was seen in training nothing is known, and nothing is to blow up.
        hidden = np.maximum(np.clip(features, -8, 8) @ self.first + self.first_bias, 0)
        return np.asarray(hidden @ self.second + self.second_bias, np.float32)


def _logistic(steps: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(steps, -30, 30))), np.float32)


def damage_words(kind: str, stretch: float) -> str:
    """A kind of damage in a reader's words: ``stretched 1.3 x in width``."""
    if kind not in _STRETCHED:
        return kind
    factor = max(stretch, 1 / stretch)
    return f"stretched {factor:.1f} x in {'width' if kind == _STRETCHED[0] else 'height'}"


def save_trust_head(path: str | Path, head: TrustHead) -> None:
    """Write a head into a file of its own; the large matrix is kept in 16 bits.

    Raises:
        OutputError: If the file cannot be written.
    """
    about = {
        "taps": [[tap.tensor, tap.bands] for tap in head.taps],
        "kinds": list(head.kinds),
        "model_sha256": head.model_sha256,
        "preprocessing": head.preprocessing,
        "min_trust": head.min_trust,
        "doubt": head.doubt,
        "midpoint": head.midpoint,
        "width": head.width,
        "norm_midpoint": head.norm_midpoint,
        "norm_width": head.norm_width,
        "notes": head.notes,
    }
    arrays: dict[str, Any] = {name: getattr(head, name) for name in _ARRAYS}
    arrays["first"] = head.first.astype(np.float16)
    arrays["about"] = np.array(json.dumps(about))
    arrays["format"] = np.array(FORMAT)
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    write_bytes(Path(path), stream.getvalue())


def load_trust_head(path: str | Path) -> TrustHead:
    """Read what `save_trust_head` wrote.

    Raises:
        ModelError: If there is no such file, or it is no trust head.
    """
    path = Path(path)
    try:
        arrays = read_npz(path, [*_ARRAYS, "about", "format"])
        if str(arrays["format"]) != FORMAT:
            raise ModelError(f"{path.name} must be of format {FORMAT}, is {arrays['format']}")
        about = json.loads(str(arrays["about"]))
        taps = tuple(Tap(str(tensor), int(bands)) for tensor, bands in about.pop("taps"))
        kinds = tuple(str(kind) for kind in about.pop("kinds"))
        numbers: dict[str, Any] = {name: np.asarray(arrays[name], np.float32) for name in _ARRAYS}
        return TrustHead(taps=taps, kinds=kinds, **about, **numbers)
    except (InputError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path.name} must be a trust head: {error}") from None
