"""Does the file say what the network says? Measured on crops, alone and in batches."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from vultus.alignment.crop_templates import LandmarkTemplate, crop_template
from vultus.backbones.base import Backbone
from vultus.core.choices import Storage
from vultus.core.crops import AlignedCrops
from vultus.core.errors import ImageError, InputError, ModelError
from vultus.data import FaceDataset, open_dataset
from vultus.data.synthetic import SyntheticFaces
from vultus.embedding.embedder import Embedder
from vultus.models.cards import ModelCard
from vultus.runtime.providers import installed_engines
from vultus.runtime.session import open_session
from vultus.training.recipe.config import EvaluationConfig, InputConfig
from vultus.training.validation import CropEmbedder

SAMPLE = 128
"""Crops that are compared, if there are so many."""

_BATCHES = (1, 32)
_PEOPLE, _IMAGES = 32, 4


@dataclass(frozen=True)
class Limits:
    """What a file must reach.

    Attributes:
        cosine: Least cosine between the file's and the network's vector of a crop.
        neighbours: Least share of crops with the same nearest neighbour.
        tie: Two neighbours are the same if the network's cosines to them differ by no more.
    """

    cosine: float
    neighbours: float
    tie: float


LIMITS: Mapping[Storage, Limits] = MappingProxyType(
    {
        "f32": Limits(cosine=0.99999, neighbours=1.0, tie=1e-5),
        "f16": Limits(cosine=0.9999, neighbours=0.99, tie=1e-4),
        "int8": Limits(cosine=0.99, neighbours=0.95, tie=1e-3),
    }
)
"""By how the weights are stored."""


@dataclass(frozen=True)
class Parity:
    """How near a file comes to the network that it was made from, on one engine.

    Attributes:
        engine: What ran the file.
        crops: How many were compared.
        batches: Numbers of crops a run; the figures are the worst of them.
        max_difference: Largest difference of two entries of unit vectors.
        least_cosine: Least cosine of the two vectors of a crop.
        same_neighbours: Share of crops whose nearest other crop is the same, or as near up to the
            tie of the limits.
    """

    engine: str
    crops: int
    batches: tuple[int, ...]
    max_difference: float
    least_cosine: float
    same_neighbours: float

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {**asdict(self), "batches": list(self.batches)}

    def __str__(self) -> str:
        return (
            f"{self.engine}: {self.crops} crops in batches of "
            f"{' and '.join(map(str, self.batches))}: largest difference "
            f"{self.max_difference:.1e}, least cosine {self.least_cosine:.7f}, same nearest "
            f"neighbour {self.same_neighbours:.1%}"
        )


def sample_crops(template: str, source: Path | None = None) -> AlignedCrops:
    """Crops to compare on, evenly spread over a data set.

    Args:
        template: Alignment template of the crops; they are brought to its size.
        source: A data set of aligned crops, as `vultus.data.open_dataset` takes it; None draws
            synthetic faces.

    Raises:
        InputError: If there is no such data set, or it has fewer than two readable images.
    """
    target = crop_template(template)
    dataset: FaceDataset
    if source is None:
        drawn = template if isinstance(target, LandmarkTemplate) else "arcface-112"
        dataset = SyntheticFaces(
            identities=_PEOPLE, images=_IMAGES, split="validation", template=drawn
        )
    else:
        dataset = open_dataset(source)
    height, width = target.size_hw
    images = []
    for index in np.unique(np.linspace(0, len(dataset) - 1, SAMPLE).astype(int)):
        try:
            image = dataset.image(int(index))
        except ImageError:
            continue
        images.append(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
    if len(images) < 2:
        raise InputError(f"a sample must hold at least two images, {source} has {len(images)}")
    pixels = np.asarray(np.stack(images), np.uint8)
    return AlignedCrops(pixels, np.zeros((len(images), 2, 3), np.float32), template)


def measure_parity(
    file: Path,
    card: ModelCard,
    crops: AlignedCrops,
    expected: npt.NDArray[np.float32],
    *,
    tie: float,
) -> list[Parity]:
    """Run a file on every engine that is installed here.

    Args:
        file: The ONNX file.
        card: Its card.
        crops: (n, h, w, 3).
        expected: (n, dim) unit vectors of the network itself, plain view.
        tie: As in `Limits`.

    Raises:
        ModelError: If an engine cannot run it.
    """
    reports = []
    for engine in installed_engines():
        session = open_session(file, runtime=engine)
        found = [
            Embedder(session, card, flip="none", batch_size=size).embed(crops).vectors
            for size in _BATCHES
        ]
        reports.append(compare(found, expected, tie=tie, engine=session.description))
    return reports


def check_parity(reports: Sequence[Parity], storage: Storage) -> None:
    """Refuse what is too far from the network.

    Raises:
        ModelError: If a report is beyond the limits of that storage.
    """
    limits = LIMITS[storage]
    for report in reports:
        if report.least_cosine < limits.cosine or report.same_neighbours < limits.neighbours:
            raise ModelError(
                f"the exported file is not the network that was trained, nothing was written: "
                f"{report}; with {storage} weights the least cosine must be {limits.cosine} and "
                f"the same neighbours {limits.neighbours:.0%}"
            )


def compare(
    found: Sequence[npt.NDArray[np.float32]],
    expected: npt.NDArray[np.float32],
    *,
    tie: float,
    engine: str,
) -> Parity:
    """The worst of several runs against what is expected.

    Args:
        found: (n, dim) unit vectors each, of `_BATCHES`.
        expected: (n, dim) unit vectors.
        tie: As in `Limits`.
        engine: What made them.
    """
    near = expected.astype(np.float64) @ expected.T.astype(np.float64)
    np.fill_diagonal(near, -np.inf)
    rows = np.arange(len(expected))
    differences, cosines, neighbours = [], [], []
    for vectors in found:
        ours = vectors.astype(np.float64)
        differences.append(float(np.abs(ours - expected).max()))
        cosines.append(float(np.einsum("nd,nd->n", ours, expected.astype(np.float64)).min()))
        own = ours @ ours.T
        np.fill_diagonal(own, -np.inf)
        chosen = near[rows, own.argmax(axis=1)]
        neighbours.append(float((chosen >= near.max(axis=1) - tie).mean()))
    return Parity(engine, len(expected), _BATCHES, max(differences), min(cosines), min(neighbours))


def network_vectors(
    backbone: Backbone, crops: AlignedCrops, settings: InputConfig
) -> npt.NDArray[np.float32]:
    """(n, dim) unit vectors of the network itself, plain view, of crops of the size it takes."""
    sized = replace(settings, size_hw=backbone.input_hw)
    embedder = CropEmbedder(
        backbone, input=sized, config=EvaluationConfig(), device=torch.device("cpu")
    )
    return np.asarray(embedder.embed(crops.pixels).embeddings.vectors)
