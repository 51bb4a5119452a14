"""Crops that are decoded once, and batches of them against the images read one by one."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vultus.core.errors import ImageError, InputError
from vultus.core.faces import Image
from vultus.data.augmentation import Augmentation, AugmentationStep, Flip
from vultus.data.base import FaceDataset
from vultus.data.formats.folder import FolderDataset
from vultus.data.loading import device_loader
from vultus.data.loading.batch import FaceBatch
from vultus.data.loading.device_loader import DeviceCrops, DeviceFaceLoader
from vultus.data.loading.sizing import resized
from vultus.sampling.sampler import Share
from vultus.sampling.samplers import ShuffledSampler

MakeFolder = Callable[..., Path]
COUNTS = {"anna": 5, "bo": 4, "carl": 2}
CPU = torch.device("cpu")

NOISE = Augmentation.from_tables([{"name": "noise", "sigma": [8, 8]}])


class CountingDataset(FaceDataset):
    """Grey images, each of another value; counts how often each is read, and lacks some."""

    def __init__(self, count: int = 11, *, lacks: tuple[int, ...] = ()) -> None:
        super().__init__(np.arange(count) % 3, identities=["anna", "bo", "carl"])
        self.reads = [0] * count
        self._lacks = lacks

    def encoded(self, index: int) -> bytes:
        raise NotImplementedError

    def image(self, index: int) -> Image:
        self.reads[index] += 1
        if index in self._lacks:
            raise ImageError(f"image {index} is lost")
        return np.full((16, 16, 3), 20 * index + 10, np.uint8)


class AllocatedError(Exception):
    """Memory of a device that is not there was asked for."""


def allocate(*_: object, **__: object) -> torch.Tensor:
    raise AllocatedError


@pytest.fixture
def dataset(make_folder: MakeFolder) -> FolderDataset:
    return FolderDataset(make_folder(COUNTS))


def make_crops(
    dataset: FaceDataset,
    *,
    size_hw: tuple[int, int] = (16, 16),
    device: torch.device = CPU,
    workers: int = 0,
) -> DeviceCrops:
    return DeviceCrops(dataset, size_hw=size_hw, device=device, workers=workers)


def make_loader(
    source: FaceDataset | DeviceCrops, *, share: Share | None = None, **settings: Any
) -> DeviceFaceLoader:
    crops = make_crops(source) if isinstance(source, FaceDataset) else source
    sampler = ShuffledSampler(crops.dataset.labels, batch_size=4, seed=3, share=share)
    return DeviceFaceLoader(crops, sampler, **settings)


def as_bytes(batches: list[FaceBatch]) -> list[list[bytes]]:
    return [[t.numpy().tobytes() for t in batch if t is not None] for batch in batches]


def rows(batches: list[FaceBatch]) -> Iterator[tuple[int, int, torch.Tensor]]:
    for batch in batches:
        yield from zip(batch.indices.tolist(), batch.labels.tolist(), batch.images, strict=True)


def noise(batch: FaceBatch) -> torch.Tensor:
    """What was added to the images of a `CountingDataset`."""
    return batch.images.double() - (20 * batch.indices + 10).reshape(-1, 1, 1, 1)


@pytest.mark.parametrize("workers", [0, 3])
@pytest.mark.parametrize("chunk", [4, 1024])
def test_crops_are_the_images_decoded(
    dataset: FolderDataset, monkeypatch: pytest.MonkeyPatch, workers: int, chunk: int
) -> None:
    monkeypatch.setattr(device_loader, "_CHUNK", chunk)
    crops = make_crops(dataset, workers=workers)
    assert crops.images.dtype == torch.uint8
    expected = np.stack([dataset.image(index) for index in range(11)])
    np.testing.assert_array_equal(crops.images.permute(0, 2, 3, 1).numpy(), expected)
    assert crops.unreadable == {}


def test_images_of_another_size_are_resized(dataset: FolderDataset) -> None:
    for size_hw in ((8, 6), (32, 24)):
        images = make_crops(dataset, size_hw=size_hw).images
        expected = np.stack([resized(dataset.image(index), size_hw) for index in range(11)])
        np.testing.assert_array_equal(images.permute(0, 2, 3, 1).numpy(), expected)


def test_images_are_decoded_once_when_the_first_batch_is_asked_for() -> None:
    dataset = CountingDataset()
    crops = make_crops(dataset, workers=2)
    loaders = [make_loader(crops, augmentation=NOISE, seed=seed) for seed in range(2)]
    batches = [iter(loader) for loader in loaders]
    assert dataset.reads == [0] * 11
    next(batches[0])
    assert dataset.reads == [1] * 11
    for loader in loaders:
        list(loader)
    assert crops.images is crops.images
    assert dataset.reads == [1] * 11


def test_a_batch_holds_the_images_that_its_indices_name(dataset: FolderDataset) -> None:
    loader = make_loader(dataset)
    batches = list(loader)
    assert [len(batch.labels) for batch in batches] == [4, 4, 3]
    for batch in batches:
        assert batch.images.dtype == torch.uint8
        assert (batch.labels.dtype, batch.indices.dtype) == (torch.int64, torch.int64)
        assert batch.clean is None
        assert batch.readable is None
    for index, label, image in rows(batches):
        assert label == dataset.labels[index]
        np.testing.assert_array_equal(image.permute(1, 2, 0).numpy(), dataset.image(index))
    assert sorted(index for index, _, _ in rows(batches)) == list(range(11))
    assert [index for index, _, _ in rows(list(loader))] != [index for index, _, _ in rows(batches)]


def test_augmentations_change_the_batch_and_not_the_crops(dataset: FolderDataset) -> None:
    crops = make_crops(dataset)
    before = crops.images.clone()
    flip = Augmentation.from_tables([{"name": "flip"}])
    for index, _, image in rows(list(make_loader(crops, augmentation=flip))):
        assert torch.equal(image, before[index].flip(-1))
    list(make_loader(crops, augmentation=NOISE))
    assert torch.equal(crops.images, before)


def test_seed_epoch_place_and_process_decide() -> None:
    dataset = CountingDataset()
    first, again = (make_loader(dataset, augmentation=NOISE, seed=5) for _ in range(2))
    epochs = [list(first) for _ in range(2)]
    assert as_bytes(list(again)) == as_bytes(epochs[0])
    assert as_bytes(list(again)) == as_bytes(epochs[1])
    images = [{i: image for i, _, image in rows(epoch)} for epoch in epochs]
    other = make_loader(dataset, augmentation=NOISE, seed=6)
    images.append({i: image for i, _, image in rows(list(other))})
    for different in images[1:]:
        assert not any(torch.equal(images[0][i], different[i]) for i in range(11))
    shares = [make_loader(dataset, augmentation=NOISE, share=Share(rank, 2)) for rank in range(2)]
    pairs = [epochs[0][:2], [epochs[0][0], epochs[1][0]], [next(iter(share)) for share in shares]]
    for one, two in pairs:
        assert (noise(one)[:3] - noise(two)[:3]).abs().mean() > 6  # 8 * 2 / sqrt(pi) = 9 if apart


@pytest.mark.parametrize("views", [1, 2])
def test_resuming_in_the_middle(dataset: FolderDataset, views: int) -> None:
    whole = as_bytes(list(make_loader(dataset, augmentation=NOISE, views=views)))
    first = make_loader(dataset, augmentation=NOISE, views=views)
    begun = [next(iter(first))]
    state = first.state_dict()
    assert state["position"] == 1
    second = make_loader(dataset, augmentation=NOISE, views=views)
    second.load_state_dict(state)
    assert as_bytes([*begun, *second]) == whole
    assert as_bytes([*begun, *first]) == whole


def test_no_global_random_state_is_touched(dataset: FolderDataset) -> None:
    state = torch.get_rng_state()
    np.random.seed(1)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    list(make_loader(dataset, augmentation=NOISE))
    assert np.random.random() == expected  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), state)


def test_the_clean_view_has_the_shared_steps_alone(dataset: FolderDataset) -> None:
    tables: list[dict[str, Any]] = [
        {"name": "flip", "probability": 0.5, "shared": True},
        {"name": "grey"},
    ]
    loader = make_loader(dataset, augmentation=Augmentation.from_tables(tables), views=2)
    flipped = []
    for batch in [*loader, *loader]:
        assert batch.clean is not None
        assert batch.clean.shape == batch.images.shape
        assert batch.clean.dtype == torch.uint8
        for index, image, clean in zip(batch.indices, batch.images, batch.clean, strict=True):
            assert torch.equal(image[0], image[1])
            original = torch.from_numpy(dataset.image(int(index))).permute(2, 0, 1)
            flipped.append(torch.equal(clean, original.flip(-1)))
            assert flipped[-1] or torch.equal(clean, original)
            luma = torch.tensor([0.299, 0.587, 0.114]).reshape(3, 1, 1)
            assert ((clean * luma).sum(0) - image[0]).abs().max() < 0.51
    assert 0 < sum(flipped) < len(flipped)


def test_without_augmentation_both_views_are_the_crop(dataset: FolderDataset) -> None:
    for batch in make_loader(dataset, views=2):
        assert batch.clean is not None
        assert torch.equal(batch.clean, batch.images)
        np.testing.assert_array_equal(
            batch.clean[0].permute(1, 2, 0).numpy(), dataset.image(int(batch.indices[0]))
        )


def test_mixup_mixes_both_views_of_a_batch_alike() -> None:
    mixup = Augmentation.from_tables([{"name": "mixup", "shared": True}])
    changed = 0
    for batch in make_loader(CountingDataset(), augmentation=mixup, views=2):
        assert batch.clean is not None
        assert torch.equal(batch.clean, batch.images)
        alone = 20 * batch.indices + 10
        changed += int((batch.images[:, 0, 0, 0] != alone).sum())
        assert batch.images.min() >= alone.min()
        assert batch.images.max() <= alone.max()
    assert changed > 5


@pytest.mark.parametrize("augmentation", [None, NOISE], ids=["plain", "noise"])
def test_an_unreadable_image_is_black_unlabelled_and_counted(
    augmentation: Augmentation | None,
) -> None:
    loader = make_loader(
        CountingDataset(lacks=(6,)), augmentation=augmentation, views=2, max_unreadable=0.1
    )
    for _ in range(2):
        for batch in loader:
            lost = batch.indices == 6
            assert torch.equal(batch.labels < 0, lost)
            assert torch.equal(batch.readable_rows(), ~lost)
            assert (batch.readable is None) == (not lost.any())
            assert batch.clean is not None
            for view in (batch.images, batch.clean):
                assert torch.equal(view.flatten(1).amax(dim=1) == 0, lost)
    assert loader.unreadable == {6: "image 6 is lost"}


def test_a_file_that_is_no_image_is_named(dataset: FolderDataset) -> None:
    (dataset.root / "bo/01.png").write_bytes(b"no image")
    crops = make_crops(dataset, workers=2)
    assert crops.images[6].max() == 0
    assert list(crops.unreadable) == [6]
    assert "bo/01.png" in crops.unreadable[6]


def test_too_many_unreadable_images_are_an_error() -> None:
    loader = make_loader(CountingDataset(lacks=(2, 8)), max_unreadable=0.1)
    with pytest.raises(InputError, match=r"2 of 11 images .* share of 0\.1 .* image 8 is lost"):
        next(iter(loader))


def test_what_does_not_fit_is_refused() -> None:
    def unknown(image: Image, generator: np.random.Generator) -> Image:
        return image

    dataset = CountingDataset()
    steps = (AugmentationStep(Flip(), 1.0), AugmentationStep(unknown, 1.0))
    with pytest.raises(InputError, match=r"function has none .* data\.on_device = false"):
        make_loader(dataset, augmentation=Augmentation(steps))
    with pytest.raises(InputError, match=r"views must be 1 or 2 .*, got 3"):
        make_loader(dataset, views=3)
    with pytest.raises(InputError, match="seed"):
        make_loader(dataset, seed=-1)
    with pytest.raises(InputError, match="size_hw"):
        make_crops(dataset, size_hw=(16, 0))
    with pytest.raises(InputError, match="workers"):
        make_crops(dataset, workers=-1)
    sampler = ShuffledSampler(dataset.labels[1:], batch_size=4)
    with pytest.raises(InputError, match="11 labels, got one of 10"):
        DeviceFaceLoader(make_crops(dataset), sampler)
    assert dataset.reads == [0] * 11


def test_crops_that_the_device_has_no_room_for_are_refused_before_any_is_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dataset, needed = CountingDataset(), 11 * 3 * 16 * 16
    loader = make_loader(make_crops(dataset, device=torch.device("cuda", 0)))
    asked: list[torch.device] = []

    def mem_get_info(device: torch.device) -> tuple[int, int]:
        asked.append(device)
        return needed, 10 * needed  # free, in all

    monkeypatch.setattr(torch.cuda, "mem_get_info", mem_get_info)
    with pytest.raises(InputError, match=r"11 crops .* cuda:0 has .* data\.on_device = false"):
        next(iter(loader))
    assert asked == [torch.device("cuda", 0)]
    assert dataset.reads == [0] * 11
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (2 * needed, 10 * needed))
    monkeypatch.setattr(torch, "empty", allocate)
    with pytest.raises(AllocatedError):
        next(iter(loader))
