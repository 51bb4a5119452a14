"""Offline mining while a network trains: the set embedded anew before each epoch of triplets."""

from collections.abc import Iterator

import torch

from vultus.backbones.base import Backbone
from vultus.core.errors import ImageError
from vultus.core.faces import Image
from vultus.data import FaceDataset
from vultus.data.base import UNLABELLED
from vultus.data.loading.batch import FaceBatch
from vultus.data.loading.batch_loader import BatchLoader
from vultus.mining.offline import offline_triplets
from vultus.mining.triplets import Triplets
from vultus.sampling.offline_sampler import OfflineTripletSampler
from vultus.training.objectives.objective import StageSetting
from vultus.training.validation import CropEmbedder


def endless_batches(
    loader: BatchLoader, backbone: Backbone, *, setting: StageSetting
) -> Iterator[FaceBatch]:
    """Batch after batch, epoch after epoch; mined before an epoch where the sampler asks for it.

    The first process embeds every image, without augmentation, with the weights of the moment; all
    get its triplets.

    Args:
        loader: Of the stage.
        backbone: The network; its mode is put back after mining.
        setting: How images become its input, and the processes; all iterate together.

    Raises:
        EvaluationStoppedError: If it was asked to stop while it was mining.
        StopRequested: If a signal came while it was waiting for a batch.
        TrainingError: If no triplet violates the margin.
    """
    while True:
        _mine_if_due(loader, backbone, setting)
        yield from setting.interruptibly(loader)


def _mine_if_due(loader: BatchLoader, backbone: Backbone, setting: StageSetting) -> None:
    sampler = loader.sampler
    if not isinstance(sampler, OfflineTripletSampler):
        return
    if sampler.mined is not None and loader.position not in (0, len(loader)):
        return
    epoch = loader.epoch + (loader.position == len(loader))
    embedder = CropEmbedder(
        backbone,
        input=setting.recipe.input,
        config=setting.recipe.evaluation,
        device=setting.world.device,
        should_stop=setting.should_stop,
    )
    generator = torch.Generator().manual_seed(1_000_003 * sampler.seed + epoch)
    sampler.take(
        setting.world.on_first(
            lambda: _mine(embedder, loader.dataset, sampler, generator=generator)
        )
    )


def _mine(
    embedder: CropEmbedder,
    dataset: FaceDataset,
    sampler: OfflineTripletSampler,
    *,
    generator: torch.Generator,
) -> Triplets:
    embedded = embedder.embed(_images(dataset))
    readable = torch.from_numpy(~embedded.failed)
    vectors = torch.zeros(len(dataset), embedded.embeddings.vectors.shape[1])
    vectors[readable] = torch.from_numpy(embedded.embeddings.vectors.copy())
    labels = torch.from_numpy(dataset.labels.copy())
    labels[~readable] = UNLABELLED
    return offline_triplets(vectors, labels, generator=generator, margin=sampler.margin)


def _images(dataset: FaceDataset) -> Iterator[Image | None]:
    for index in range(len(dataset)):
        try:
            yield dataset.image(index)
        except ImageError:
            yield None
