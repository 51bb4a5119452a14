"""A head with the embedding space that it was fitted to: fit, store, score embeddings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.baselines import joint_bayesian, pca_svm
from vultus.baselines.head_file import read_kind
from vultus.baselines.joint_bayesian import JointBayesian
from vultus.baselines.pca_svm import PcaSvm
from vultus.baselines.vectors import Floats
from vultus.core.choices import BaselineKind
from vultus.core.embeddings import Embeddings, EmbeddingSpace, check_same_space
from vultus.core.errors import InputError

_CLASSES: dict[str, type[JointBayesian] | type[PcaSvm]] = {
    joint_bayesian.KIND: JointBayesian,
    pca_svm.KIND: PcaSvm,
}


@dataclass(frozen=True, slots=True, eq=False)
class FittedHead:
    """Scores pairs of embeddings of one space; a `PairScorer` of protocols.

    Attributes:
        head: What scores.
        space: What it was fitted to; None where its file is from before that was kept.
    """

    head: JointBayesian | PcaSvm
    space: EmbeddingSpace | None

    def __call__(self, first: Embeddings, second: Embeddings) -> Floats:
        """(n,) float64 scores, row by row; above 0 = likelier one person.

        Raises:
            SpaceMismatchError: If the embeddings are not of the head's space.
        """
        check_same_space(first.space, second.space)
        if self.space is not None:
            check_same_space(first.space, self.space)
        return self.head.score(first.vectors, second.vectors)

    def save(self, path: str | Path) -> None:
        """Write to an ``.npz`` file, replacing one that is there.

        Raises:
            InputError: If the folder does not exist.
        """
        self.head.save(path, space=self.space)

    @classmethod
    def load(cls, path: str | Path) -> "FittedHead":
        """Read what `save`, or the head's own, wrote.

        Raises:
            InputError: If there is no such file or it holds no head.
        """
        kind, space = read_kind(Path(path))
        if kind not in _CLASSES:
            raise InputError(f"{path} must be of kind {', '.join(_CLASSES)}, got {kind}")
        return cls(_CLASSES[kind].load(path), space)


def fit_head(
    embeddings: Embeddings,
    identities: npt.NDArray[Any],
    *,
    kind: BaselineKind = "joint-bayesian",
    dim: int | None = None,
    seed: int = 0,
) -> FittedHead:
    """Fit a head on embeddings of known people.

    Args:
        embeddings: (n, dim).
        identities: (n,) who is on each, of any dtype that sorts.
        kind: `JointBayesian` or `PcaSvm`.
        dim: Principal components to keep; None = as the head does by itself.
        seed: Of the pairs that an SVM draws.

    Raises:
        InputError: If there is no such kind, or there are too few people or photos.
        MissingDependencyError: If scikit-learn is needed and not installed.
    """
    labels = np.unique(identities, return_inverse=True)[1].astype(np.int64)
    if kind == "joint-bayesian":
        head: JointBayesian | PcaSvm = JointBayesian.fit(embeddings.vectors, labels, dim=dim)
    elif kind == "pca-svm":
        generator = np.random.default_rng(seed)
        head = PcaSvm.fit(embeddings.vectors, labels, generator=generator, dim=dim)
    else:
        raise InputError(f"kind must be 'joint-bayesian' or 'pca-svm', got {kind!r}")
    return FittedHead(head, embeddings.space)
