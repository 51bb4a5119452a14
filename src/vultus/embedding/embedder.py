"""Aligned crops -> embeddings, in batches."""

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vultus.alignment.crop_templates import crop_template
from vultus.core.checks import check_positive_int
from vultus.core.choices import Flip, Precision, Runtime
from vultus.core.crops import AlignedCrops
from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import InputError, ModelError
from vultus.core.thresholds import ThresholdTable
from vultus.embedding.preprocess import batch_runs, fused, network_input, preprocessing_line, views
from vultus.embedding.source import find_model
from vultus.models.cards import ModelCard
from vultus.models.committee import Member, committee_card, parse_committee
from vultus.models.names import is_committee
from vultus.models.store import ModelStore
from vultus.runtime.pools import Tap, with_pools
from vultus.runtime.session import Session, open_session
from vultus.runtime.tensors import TensorSpec

logger = logging.getLogger(__name__)

BATCH_SIZE = 16
"""Views per run of the network. Measured with a MobileFaceNet on two cores: more is not faster."""


class Embedder:
    """Turns aligned crops into unit vectors; one may be used from many threads at once.

    Alone = batched: a crop's vector does not depend on what else is in the batch, up to the
    engine's rounding (it may choose other kernels for other batch sizes). Two calls with the same
    crops give bit-equal vectors.

    Args:
        session: The network: one float32 input (b, 3, h, w), first output (b, dim).
        card: What the network is; its settings are the ones used.
        flip: What to do with the mirrored view; None takes the card's way. Another way than the
            card's is another embedding space, for which the card's thresholds do not hold.
        batch_size: Views per run at most; memory is flat above it.
        pools: The session's graph has the output of `vultus.runtime.pools.with_pools`.

    Attributes:
        space: The embedding space of everything that it makes.
        card: The model's card.
        has_pools: `embed_with_pools` gives pools.

    Raises:
        ModelError: If the graph's input or output does not fit the card.
        InputError: If ``flip`` or ``batch_size`` cannot be.
    """

    def __init__(
        self,
        session: Session,
        card: ModelCard,
        *,
        flip: Flip | None = None,
        batch_size: int = BATCH_SIZE,
        pools: bool = False,
    ) -> None:
        self.card = card
        self.has_pools = pools
        self.flip: Flip = card.flip if flip is None else flip
        if self.flip not in ("none", "add", "concat"):
            raise InputError(f"flip must be none, add or concat, got {flip!r}")
        self._batch_size = check_positive_int("batch_size", batch_size)
        self._session = session
        self._size_hw = _check_graph(session, card)
        batch_axis = session.inputs[0].shape[0]
        self._fixed_batch = batch_axis if isinstance(batch_axis, int) else None
        self.space = EmbeddingSpace(
            model=card.name,
            weights_sha256=card.sha256,
            preprocessing=preprocessing_line(
                template=card.template,
                colour=card.colour,
                mean=card.mean,
                std=card.std,
                flip=self.flip,
            ),
            dim=card.embedding_dim * (2 if self.flip == "concat" else 1),
        )

    @property
    def thresholds(self) -> ThresholdTable:
        """The card's measured thresholds; none if the flip is not the card's."""
        return self.card.thresholds if self.flip == self.card.flip else ThresholdTable()

    @property
    def cautious(self) -> ThresholdTable:
        """The card's cautious thresholds; none if the flip is not the card's."""
        return self.card.cautious if self.flip == self.card.flip else ThresholdTable()

    @property
    def min_norm(self) -> float:
        """The card's least norm of a face that can be judged; 0 if the flip is not the card's."""
        return self.card.min_norm if self.flip == self.card.flip else 0.0

    @property
    def description(self) -> str:
        """Engine, version, provider, precision and threads in use."""
        return self._session.description

    def embed(self, crops: AlignedCrops) -> Embeddings:
        """Embed any number of crops.

        Args:
            crops: Of the card's template, and of the size that the network takes.

        Returns:
            One row a crop, in order. ``norms`` are the lengths of the network's (summed or
            concatenated) outputs. Where the graph itself normalises, they say only how well the
            two views agree: ``|a + b|`` of two unit vectors lies in [0, 2].

        Raises:
            InputError: If the crops are of another template or size, or the network gives a row
                without direction.
            ModelError: If the engine fails, or gives something other than one row a view.
        """
        return self.embed_with_pools(crops)[0]

    def embed_with_pools(
        self, crops: AlignedCrops
    ) -> tuple[Embeddings, npt.NDArray[np.float32] | None]:
        """As `embed`, with the pools of inner maps that a trust head judges by.

        Returns:
            The embeddings, and (n, d) float32: the means over the views of each crop; None if the
            graph has no pools, or there is no crop.
        """
        self._check_crops(crops)
        if not len(crops):
            return Embeddings.empty(self.space), None
        raw = np.empty((len(crops), self.space.dim), np.float32)
        pools: list[npt.NDArray[np.float32]] = []
        step = max(1, self._batch_size // (1 if self.flip == "none" else 2))
        for start in range(0, len(crops), step):
            planes = network_input(
                crops.pixels[start : start + step],
                colour=self.card.colour,
                mean=self.card.mean,
                std=self.card.std,
            )
            outputs, pooled = self._forward(views(planes, flip=self.flip))
            raw[start : start + step] = fused(outputs, flip=self.flip)
            if pooled is not None:
                pools.append(pooled.reshape(-1, len(planes), pooled.shape[1]).mean(axis=0))
        return Embeddings.from_raw(raw, self.space), np.concatenate(pools) if pools else None

    def _forward(
        self, rows: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32] | None]:
        """The network's vectors and, where it has them, pools, of each view."""
        name = self._session.inputs[0].name
        outputs = np.empty((len(rows), self.card.embedding_dim), np.float32)
        pools: list[npt.NDArray[np.float32]] = []
        for start, count in batch_runs(len(rows), self._batch_size, fixed=self._fixed_batch):
            batch = rows[start : start + count]
            if self._fixed_batch is not None and count < self._fixed_batch:
                padding = np.zeros((self._fixed_batch - count, *rows.shape[1:]), np.float32)
                batch = np.concatenate([batch, padding])
            result, *others = self._session.run({name: batch})
            if result.shape != (len(batch), self.card.embedding_dim):
                raise ModelError(
                    f"model {self.card.name!r} must give ({len(batch)}, {self.card.embedding_dim}) "
                    f"for {len(batch)} views, got {result.shape}"
                )
            outputs[start : start + count] = result[:count]
            if self.has_pools:
                pools.append(others[-1][:count])
        return outputs, np.concatenate(pools) if pools else None

    def _check_crops(self, crops: AlignedCrops) -> None:
        if crops.template != self.card.template:
            raise InputError(
                f"crops for model {self.card.name!r} must be of template {self.card.template!r}, "
                f"got {crops.template!r}; align the faces with that template"
            )
        if crops.size_hw != self._size_hw:
            raise InputError(
                f"crops for model {self.card.name!r} must have height and width {self._size_hw}, "
                f"got {crops.size_hw}"
            )


class Committee(Embedder):
    """Several embedders whose unit vectors, joined with weights, are one embedding.

    Each member's vector is multiplied with the root of its weight, so that the joined vector has
    length 1, and the cosine of two is the weighted mean of the members' cosines. It is a space of
    its own: gallery, search and calibration treat it like any other.

    Where members' cards state a least norm, ``norms`` are the least of their norms, each in units
    of its least norm: below 1, a member cannot judge the face. Members without do not count there.
    Where none states one, norms are the weighted means.

    Args:
        members: Open embedders of one template, all different.
        names: Their names and weights, in the same order; the weights sum to 1.

    Raises:
        InputError: If the members' templates differ.
    """

    def __init__(self, members: Sequence[Embedder], names: Sequence[Member]) -> None:
        self.card = committee_card(names, [member.card for member in members])
        flips = {member.flip for member in members}
        self.flip = flips.pop() if len(flips) == 1 else "none"
        self._members = tuple(members)
        self.has_pools = any(member.has_pools for member in members)
        self._weights = tuple(name.weight for name in names)
        parts = zip(names, members, strict=True)
        self.space = EmbeddingSpace(
            model=self.card.name,
            weights_sha256=self.card.sha256,
            preprocessing=" + ".join(f"{n.name}: {m.space.preprocessing}" for n, m in parts),
            dim=sum(member.space.dim for member in members),
        )

    @property
    def thresholds(self) -> ThresholdTable:
        """The committee's measured thresholds; none if a member's flip is not its card's."""
        return self.card.thresholds if self._as_on_cards else ThresholdTable()

    @property
    def min_norm(self) -> float:
        """1 where a member's card states a least norm; 0 where none does, or a flip is another."""
        return self.card.min_norm if self._as_on_cards else 0.0

    @property
    def description(self) -> str:
        """What each member runs on."""
        return " + ".join(dict.fromkeys(member.description for member in self._members))

    def embed_with_pools(
        self, crops: AlignedCrops
    ) -> tuple[Embeddings, npt.NDArray[np.float32] | None]:
        """Embed any number of crops with every member, one after the other.

        Args:
            crops: Of the members' template.

        Returns:
            One row a crop, in order. The pools are those of each member that has some, in order,
            each followed by the norm of that member's own embedding.

        Raises:
            InputError, ModelError: As `Embedder.embed`.
        """
        both = [member.embed_with_pools(crops) for member in self._members]
        told = [
            np.concatenate([pools, embedded.norms[:, None]], axis=1)
            for embedded, pools in both
            if pools is not None
        ]
        joined = self._joined([embedded for embedded, _ in both])
        return joined, np.concatenate(told, axis=1) if told else None

    def _joined(self, parts: Sequence[Embeddings]) -> Embeddings:
        vectors = [
            part.vectors.astype(np.float64) * math.sqrt(weight)
            for part, weight in zip(parts, self._weights, strict=True)
        ]
        joined = np.concatenate(vectors, axis=1)
        joined /= np.linalg.norm(joined, axis=1, keepdims=True)
        return Embeddings(joined.astype(np.float32), self._norms(parts), self.space)

    def _norms(self, parts: Sequence[Embeddings]) -> npt.NDArray[np.float32]:
        norms = np.stack([part.norms for part in parts])
        least = np.array([member.card.min_norm for member in self._members], np.float32)
        if not least.any():
            return np.asarray(np.array(self._weights) @ norms, np.float32)
        limited = least > 0
        return np.asarray((norms[limited] / least[limited, None]).min(axis=0), np.float32)

    @property
    def _as_on_cards(self) -> bool:
        return all(member.flip == member.card.flip for member in self._members)


def open_embedder(
    model: str | Path | ModelCard,
    *,
    store: ModelStore | None = None,
    flip: Flip | None = None,
    runtime: Runtime = "auto",
    precision: Precision = "f32",
    threads: int | None = None,
    batch_size: int = BATCH_SIZE,
    taps: Sequence[Tap] | Mapping[str, Sequence[Tap]] = (),
) -> Embedder:
    """Open an embedding model by its name, file or card.

    Args:
        model: A name in the store; names of members with + between them, for a committee (see
            `vultus.models.committee`); a path to an ONNX file, which must be one that the store
            knows by its SHA-256 or have a card beside it (``net.onnx`` and ``net.toml``); or a
            card, whose file is searched in the store and its mirrors. Text that ends in ``.onnx``
            is a path, unless the store has a model of that name.
        store: Where to look; None takes the default store. Nothing is downloaded.
        flip: As in `Embedder`.
        runtime: As in `vultus.runtime.session.open_session`.
        precision: ``"bf16"`` is faster where the processor has it. It rounds, but makes no other
            space: its vectors may be compared with those of ``"f32"``.
        threads: Threads of the engine; None leaves it to the engine.
        batch_size: As in `Embedder`.
        taps: Inner maps to be pooled, as a trust head wants them; of a committee by its members'
            names. They are outputs of a copy in memory: the file, its digest and so the space stay
            what they are.

    Raises:
        RegistryError: If the name is unknown.
        ModelNotFoundError: If the file is not on this machine; the message says how to get it.
        DigestError: If the file's bytes are not those of its card.
        LicenceError: If the store's policy forbids the model.
        ModelError: If it is no embedding model, or the graph does not fit the card.
        InputError: If a committee cannot be: a member twice, templates that differ.
        MissingDependencyError, ProviderError, ConfigError: As `open_session`.
    """
    store = ModelStore() if store is None else store
    if isinstance(model, str) and _names_committee(model):
        store.card(model)  # refused before any member is opened
        names = parse_committee(model)
        wanted = taps if isinstance(taps, Mapping) else {}
        members = [
            open_embedder(
                name.name,
                store=store,
                flip=flip,
                runtime=runtime,
                precision=precision,
                threads=threads,
                batch_size=batch_size,
                taps=wanted.get(name.name, ()),
            )
            for name in names
        ]
        return Committee(members, names)
    path, card = find_model(model, store=store)
    if card.task != "embedding":
        raise ModelError(f"model {card.name!r} must be an embedding model, is one of {card.task}")
    own = taps.get(card.name, ()) if isinstance(taps, Mapping) else taps
    graph = with_pools(path, own) if own else path
    session = open_session(graph, runtime=runtime, precision=precision, threads=threads)
    embedder = Embedder(session, card, flip=flip, batch_size=batch_size, pools=bool(own))
    logger.info("%s on %s", embedder.space, embedder.description)
    return embedder


def _names_committee(model: str) -> bool:
    return is_committee(model) and not model.endswith(".onnx") and not Path(model).is_file()


def _check_graph(session: Session, card: ModelCard) -> tuple[int, int]:
    """Check a graph against its card; return the height and width of the crops that it takes.

    A graph that leaves height and width free gets the template's all the same: engines do not
    reliably refuse others.
    """
    height, width = crop_template(card.template).size_hw
    wanted = TensorSpec("input", ("b", 3, height, width), np.dtype(np.float32))
    specs = ", ".join(map(str, (*session.inputs, *session.outputs)))
    if len(session.inputs) != 1 or not _fits(session.inputs[0], wanted):
        raise ModelError(
            f"model {card.name!r} must have one {wanted}, as its template "
            f"{card.template!r} has it, and has: {specs}"
        )
    if not _fits(session.outputs[0], TensorSpec("", ("b", card.embedding_dim), wanted.dtype)):
        raise ModelError(
            f"model {card.name!r} must have a first output float32 (b, {card.embedding_dim}), as "
            f"its card has it, and has: {specs}"
        )
    return height, width


def _fits(spec: TensorSpec, wanted: TensorSpec) -> bool:
    """True when rank and dtype are those wanted, and every axis that both fix."""
    return (
        spec.dtype == wanted.dtype
        and len(spec.shape) == len(wanted.shape)
        and all(
            isinstance(length, str) or isinstance(want, str) or length == want
            for length, want in zip(spec.shape, wanted.shape, strict=True)
        )
    )
