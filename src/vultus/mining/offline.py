"""Offline mining: triplets from embeddings of a whole set, made anew every n steps."""

import logging
from collections.abc import Callable

import torch
from torch import Tensor

from vultus.core.checks import check_positive_int, check_range
from vultus.core.errors import InputError
from vultus.mining.triplets import Triplets

_log = logging.getLogger(__name__)

_CHUNK_ELEMENTS = 2**22


def offline_triplets(
    embeddings: Tensor, labels: Tensor, *, generator: torch.Generator, margin: float = 0.2
) -> Triplets:
    """One triplet for each sample of a set: a random positive and a random violating negative.

    The negative is drawn from the semi-hard ones (d_ap < d_an < d_ap + margin, squared distances);
    if there are none, from those with d_an <= d_ap. A sample with neither, or alone in its
    identity, gives no triplet. Works in chunks: memory grows with the set, not with its square.

    Args:
        embeddings: (n, d) floating, unit rows for FaceNet's margin.
        labels: (n,) integer; -1 takes no part.
        generator: On the embeddings' device.
        margin: Above 0, in squared distance.

    Returns:
        Indices of the set; anchors ascending, each once at most.

    Raises:
        InputError: If shapes do not match.

    Source: "every n steps" of Schroff et al., "FaceNet", arXiv 1503.03832, section 3.2; random
    violators as in Parkhi et al., "Deep Face Recognition", BMVC 2015, section 4.4.
    """
    if embeddings.ndim != 2 or labels.shape != (len(embeddings),):
        raise InputError(
            f"embeddings must be (n, d) with n labels, got {tuple(embeddings.shape)} and "
            f"{tuple(labels.shape)}"
        )
    check_range("margin", margin, low=0, low_open=True)
    rows = embeddings.detach().to(torch.promote_types(embeddings.dtype, torch.float32))
    lengths = rows.square().sum(dim=1)
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    step = max(1, _CHUNK_ELEMENTS // max(len(rows), 1))
    for start in range(0, len(rows), step):
        anchors = torch.arange(start, min(start + step, len(rows)), device=rows.device)
        distances = lengths[anchors][:, None] + lengths - 2 * rows[anchors] @ rows.T
        known = (labels >= 0) & (labels[anchors] >= 0)[:, None]
        same = (labels[anchors][:, None] == labels) & known
        positives = same.clone()
        positives[torch.arange(len(anchors), device=rows.device), anchors] = False
        found.append(_draw(distances, positives, known & ~same, margin, generator))
    columns = [torch.cat(column) for column in zip(*found, strict=True)] if found else []
    if not columns:
        empty = torch.empty(0, dtype=torch.int64, device=rows.device)
        return Triplets(empty, empty, empty)
    positive, negative, valid = columns
    anchors = valid.nonzero()[:, 0]
    return Triplets(anchors, positive[anchors], negative[anchors])


class OfflineMiner:
    """Triplets of a whole set that are mined anew every ``every`` steps.

    Args:
        every: Steps between two rounds of mining.
        generator: Of all draws, on the embeddings' device.
        margin: Above 0, in squared distance.

    Attributes:
        triplets: The latest ones; None before the first round.

    Example:
        >>> miner = OfflineMiner(every=1000, generator=torch.Generator().manual_seed(0), margin=4.0)
        >>> labels = torch.tensor([0, 0, 1])
        >>> for step in range(3):  # embeds the set at step 0, and again at step 1000
        ...     triplets = miner.at(step, embed=lambda: torch.eye(3), labels=labels)
        >>> triplets.negatives.tolist()
        [2, 2]
    """

    def __init__(self, *, every: int, generator: torch.Generator, margin: float = 0.2) -> None:
        self.every = check_positive_int("every", every)
        self.margin = check_range("margin", margin, low=0, low_open=True)
        self.generator = generator
        self.triplets: Triplets | None = None

    def at(self, step: int, *, embed: Callable[[], Tensor], labels: Tensor) -> Triplets:
        """The triplets to train on at a step.

        Args:
            step: The number of steps made.
            embed: Gives the (n, d) embeddings of the set by the current network; called only when
                it is time to mine.
            labels: (n,) integer.
        """
        if self.triplets is None or step % self.every == 0:
            self.triplets = offline_triplets(
                embed(), labels, generator=self.generator, margin=self.margin
            )
            _log.info("step %d: mined %d triplets of %d", step, len(self.triplets[0]), len(labels))
        return self.triplets


def _draw(
    distances: Tensor,
    positives: Tensor,
    negatives: Tensor,
    margin: float,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Positive, negative and whether both exist, for each row of a chunk."""
    noise = torch.rand(distances.shape, generator=generator, device=distances.device)
    positive = noise.masked_fill(~positives, -1).argmax(dim=1)
    to_positive = distances.gather(1, positive[:, None])
    violators = negatives & (distances < to_positive + margin)
    # 1 more for the semi-hard: they win over those that are nearer than the positive.
    noise = torch.rand(distances.shape, generator=generator, device=distances.device)
    score = noise + (distances > to_positive)
    negative = score.masked_fill(~violators, -1).argmax(dim=1)
    return positive, negative, positives.any(dim=1) & violators.any(dim=1)
