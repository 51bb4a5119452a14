"""The data set under audit, with what all checks need of it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vultus.curation.audit.features import ImageFeatures
from vultus.curation.audit.identity_groups import IdentityGroups
from vultus.data.base import FaceDataset

_EXAMPLES = 3


@dataclass(frozen=True, slots=True, eq=False)
class AuditedSet:
    """A data set, its names and features; a row is a readable image.

    Attributes:
        dataset: The crops.
        names: Of all images, by index; see `vultus.curation.image_names`.
        features: Of the readable ones.
        prefix: What names begin with in findings: empty for the data set under audit itself.
    """

    dataset: FaceDataset
    names: list[str]
    features: ImageFeatures
    prefix: str = ""

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """(m,) int64, identity of each row; -1 for none."""
        return self.dataset.labels[self.features.rows]

    @property
    def vectors(self) -> npt.NDArray[np.float32]:
        """(m, d) float32, unit rows."""
        return self.features.embeddings.vectors

    @property
    def norms(self) -> npt.NDArray[np.float32]:
        """(m,) float32, lengths before normalising."""
        return self.features.embeddings.norms

    def name(self, row: int) -> str:
        """What findings call an image."""
        return self.prefix + self.names[int(self.features.rows[row])]

    def identity(self, row: int) -> str | None:
        """The identity of an image; None for none."""
        label = int(self.dataset.labels[self.features.rows[row]])
        return None if label < 0 else self.dataset.identities[label]

    def examples(self, groups: IdentityGroups, label: int, n: int = _EXAMPLES) -> tuple[str, ...]:
        """Names of the images of a core that are most like its centre."""
        rows = groups.cores[label]
        nearest = np.argsort(-(self.vectors[rows] @ groups.centres[label]), kind="stable")[:n]
        return tuple(self.name(row) for row in rows[nearest])
