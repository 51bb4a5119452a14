"""The batch samplers: P x K, FaceNet's, and class-balanced."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from vultus.core.checks import check_positive_int
from vultus.core.errors import InputError
from vultus.sampling.sampler import SAMPLERS, Batch, BatchSampler, Share

Labels = Sequence[int] | npt.NDArray[np.integer] | torch.Tensor
_Indices = npt.NDArray[np.int64]


@SAMPLERS.register("shuffled")
class ShuffledSampler(BatchSampler):
    """Every sample exactly once an epoch, on one process or many; for classification.

    The shuffled set is cut into as few batches as give every process the same number, none larger
    than ``batch_size`` (unless some process would get no sample at all); their sizes differ by at
    most one. So there is no remainder: nothing is left out, and nothing comes twice. The cut
    depends on the number of processes: a position can only be resumed with the same number.

    Args:
        labels: (n,) integer identity of each sample, at least one sample for each process.
        batch_size: Most samples a batch.
        unlabelled: Whether samples without an identity (a negative label) come too.
        seed: Of all draws.
        share: Which process this is.

    Raises:
        InputError: If there are fewer samples than processes.
    """

    resumes_with_other_world_size = False

    def __init__(
        self,
        labels: Labels,
        *,
        batch_size: int,
        unlabelled: bool = True,
        seed: int = 0,
        share: Share | None = None,
    ) -> None:
        super().__init__(labels, seed=seed, share=share)
        self.batch_size = check_positive_int("batch_size", batch_size)
        taken = np.full(len(self.index), unlabelled) | (self.index.labels >= 0)
        self._samples = np.flatnonzero(taken)
        if len(self._samples) < self.share.world_size:
            raise InputError(
                f"there must be a sample for each of {self.share.world_size} processes, "
                f"got {len(self._samples)} samples"
            )

    def num_batches(self) -> int:
        """A multiple of the number of processes."""
        world_size, total = self.share.world_size, len(self._samples)
        steps = -(-total // (self.batch_size * world_size))
        # With very few samples the last round could lack one for some process: then merge rounds.
        return world_size * min(steps, total // world_size)

    @property
    def smallest_batch(self) -> int:
        """What the even cut gives."""
        return len(self._samples) // self.num_batches()

    def epoch_batches(self, generator: np.random.Generator) -> list[Batch]:
        """The shuffled set, cut evenly."""
        order = self._samples[generator.permutation(len(self._samples))]
        return [part.tolist() for part in np.array_split(order, self.num_batches())]


@SAMPLERS.register("pk")
class PKSampler(BatchSampler):
    """P identities with K images each.

    In an epoch every identity comes once or (to fill the last batch) not at all: identities are
    shuffled, cut into groups of P, and a rest of fewer than P is left out. K images are drawn
    without replacement where there are K; of an identity with fewer, all, and the rest again.

    Args:
        labels: (n,) integer identity of each sample.
        identities: P, at least 1 and at most the number of identities.
        images: K, at least 1.
        seed: Of all draws.
        share: Which process this is.

    Raises:
        InputError: If there are fewer identities than P.

    Example:
        >>> sampler = PKSampler([0, 0, 0, 1, 1, 2, 2], identities=2, images=2)
        >>> [len(batch) for batch in sampler]
        [4]

    Source: Hermans et al., "In Defense of the Triplet Loss", arXiv 1703.07737, section 2.
    """

    def __init__(
        self,
        labels: Labels,
        *,
        identities: int,
        images: int,
        seed: int = 0,
        share: Share | None = None,
    ) -> None:
        super().__init__(labels, seed=seed, share=share)
        self.identities = check_positive_int("identities", identities)
        self.images = check_positive_int("images", images)
        self.batch_size = self.identities * self.images
        if identities > len(self.index.identities):
            raise InputError(
                f"identities must be at most the {len(self.index.identities)} in the labels, "
                f"got {identities}"
            )

    def num_batches(self) -> int:
        """Whole groups of P identities."""
        return len(self.index.identities) // self.identities

    def epoch_batches(self, generator: np.random.Generator) -> list[Batch]:
        """P x K indices a batch, identity by identity."""
        order = generator.permutation(len(self.index.identities))
        return [
            [
                int(sample)
                for identity in order[start : start + self.identities]
                for sample in _draw(self.index.samples(identity), self.images, generator)
            ]
            for start in range(0, self.num_batches() * self.identities, self.identities)
        ]


@SAMPLERS.register("facenet")
class FaceNetSampler(BatchSampler):
    """Many images of a few identities, filled up with random faces as negatives.

    FaceNet's batches hold about 1,800 faces, about 40 an identity, so that within the batch there
    are many positive pairs and hard negatives, and random faces beside them. Identities take turns
    as in `PKSampler`; one with fewer images than ``images`` gives all that it has, none twice. The
    random faces are drawn without replacement from what is not in the batch (they may be of its
    identities: labels say so, and a miner will see to it).

    Args:
        labels: (n,) integer identity of each sample.
        identities: How many come with many images.
        images: How many each; 40 in the paper.
        negatives: Random faces, at least 0; fewer if the data set has no more.
        seed: Of all draws.
        share: Which process this is.

    Raises:
        InputError: If there are fewer identities than asked for.

    Source: Schroff et al., "FaceNet", CVPR 2015, arXiv 1503.03832, section 3.2.
    """

    def __init__(
        self,
        labels: Labels,
        *,
        identities: int,
        images: int = 40,
        negatives: int = 0,
        seed: int = 0,
        share: Share | None = None,
    ) -> None:
        super().__init__(labels, seed=seed, share=share)
        self.identities = check_positive_int("identities", identities)
        self.images = check_positive_int("images", images)
        self.negatives = check_positive_int("negatives", negatives, minimum=0)
        self.batch_size = self.identities * self.images + self.negatives
        if identities > len(self.index.identities):
            raise InputError(
                f"identities must be at most the {len(self.index.identities)} in the labels, "
                f"got {identities}"
            )

    def num_batches(self) -> int:
        """Whole groups of identities."""
        return len(self.index.identities) // self.identities

    def epoch_batches(self, generator: np.random.Generator) -> list[Batch]:
        """Images of the identities first, then the random faces."""
        order = generator.permutation(len(self.index.identities))
        starts = range(0, self.num_batches() * self.identities, self.identities)
        return [self._batch(order[s : s + self.identities], generator) for s in starts]

    def _batch(self, identities: _Indices, generator: np.random.Generator) -> Batch:
        batch: Batch = []
        for identity in identities:
            own = self.index.samples(identity)
            batch.extend(generator.permutation(own)[: self.images].tolist())
        total = len(self.index)
        goal = len(batch) + min(self.negatives, total - len(batch))
        if goal > total // 2:
            rest = np.setdiff1d(np.arange(total), batch)
            batch.extend(generator.permutation(rest)[: goal - len(batch)].tolist())
            return batch
        # In a large data set, draw until enough are new: the rest itself is never listed.
        chosen = dict.fromkeys(batch)
        while len(chosen) < goal:
            chosen[int(generator.integers(total))] = None
        return list(chosen)


@SAMPLERS.register("balanced")
class ClassBalancedSampler(BatchSampler):
    """Each identity equally often, whatever its number of images.

    An epoch has as many samples as there are with an identity (rounded down to whole batches).
    Identities come in shuffled rounds, each once a round; an identity's images come in shuffled
    rounds of their own, so that none comes twice before all have come once.

    Args:
        labels: (n,) integer identity of each sample.
        batch_size: Samples a batch, at most as many as there are with an identity.
        seed: Of all draws.
        share: Which process this is.

    Raises:
        InputError: If the batch is larger.
    """

    def __init__(
        self, labels: Labels, *, batch_size: int, seed: int = 0, share: Share | None = None
    ) -> None:
        super().__init__(labels, seed=seed, share=share)
        self.batch_size = check_positive_int("batch_size", batch_size)
        self._labelled = int(self.index.counts().sum())
        if batch_size > self._labelled:
            raise InputError(
                f"batch_size must be at most the {self._labelled} samples with an identity, "
                f"got {batch_size}"
            )

    def num_batches(self) -> int:
        """Whole batches in so many samples."""
        return self._labelled // self.batch_size

    def epoch_batches(self, generator: np.random.Generator) -> list[Batch]:
        """Shuffled samples, every identity as often as any other (give or take one)."""
        total, classes = self.num_batches() * self.batch_size, len(self.index.identities)
        rounds = -(-total // classes)
        turns = np.concatenate([generator.permutation(classes) for _ in range(rounds)])[:total]
        samples = np.empty(total, dtype=np.int64)
        order = np.argsort(turns, kind="stable")
        bounds = np.searchsorted(turns[order], np.arange(classes + 1))
        for identity in range(classes):
            places = order[bounds[identity] : bounds[identity + 1]]
            samples[places] = _draw(self.index.samples(identity), len(places), generator)
        return [list(map(int, batch)) for batch in samples.reshape(-1, self.batch_size)]


def _draw(samples: _Indices, count: int, generator: np.random.Generator) -> _Indices:
    """``count`` of the samples, each as often as any other give or take one."""
    rounds = -(-count // len(samples))
    drawn = [generator.permutation(samples) for _ in range(rounds)]
    return np.concatenate(drawn)[:count] if drawn else samples[:0]
