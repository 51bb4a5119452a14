"""The loader against images read one by one: any number of workers, any place to go on from."""

import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from vultus.core.errors import ImageError, InputError
from vultus.core.faces import Image
from vultus.data.augmentation import Augmentation
from vultus.data.base import FaceDataset
from vultus.data.formats.folder import FolderDataset
from vultus.data.loading.batch import FaceBatch
from vultus.data.loading.loader import FaceLoader
from vultus.image.io import read_image
from vultus.sampling.sampler import Share
from vultus.sampling.samplers import ShuffledSampler

MakeFolder = Callable[..., Path]
COUNTS = {"anna": 5, "bo": 4, "carl": 2}


def add_noise(image: Image, generator: np.random.Generator) -> Image:
    return np.asarray(image ^ generator.integers(0, 256, image.shape, dtype=np.uint8), np.uint8)


def shrink(image: Image, generator: np.random.Generator) -> Image:
    return image[1:]


def paint_black(image: Image, generator: np.random.Generator) -> Image:
    return np.zeros_like(image)


@pytest.fixture
def dataset(make_folder: MakeFolder) -> FolderDataset:
    return FolderDataset(make_folder(COUNTS))


def make_loader(dataset: FaceDataset, *, workers: int = 0, **settings: object) -> FaceLoader:
    sampler = ShuffledSampler(dataset.labels, batch_size=4, seed=3)
    options = {"size_hw": (16, 16), "workers": workers} | settings
    return FaceLoader(dataset, sampler, **options)  # type: ignore[arg-type]


def as_bytes(batches: list[FaceBatch]) -> list[list[bytes]]:
    return [[t.numpy().tobytes() for t in batch if t is not None] for batch in batches]


def test_a_batch_holds_the_images_that_its_indices_name(dataset: FolderDataset) -> None:
    seen = []
    for batch in make_loader(dataset):
        assert batch.images.dtype == torch.uint8
        assert batch.images.shape == (len(batch.indices), 3, 16, 16)
        assert batch.images.is_contiguous(memory_format=torch.channels_last)
        for row, index in enumerate(batch.indices.tolist()):
            expected = read_image(dataset.root / dataset.files.names[index])
            np.testing.assert_array_equal(batch.images[row].permute(1, 2, 0).numpy(), expected)
            assert batch.labels[row] == dataset.labels[index]
            seen.append(index)
    assert sorted(seen) == list(range(11))


def test_workers_and_epochs(dataset: FolderDataset) -> None:
    alone = make_loader(dataset, augmentation=add_noise, seed=7)
    helped = make_loader(dataset, augmentation=add_noise, seed=7, workers=2)
    epochs = [as_bytes(list(alone)) for _ in range(3)]
    assert [as_bytes(list(helped)) for _ in range(3)] == epochs
    # Persistent workers must hear of the epoch, also when it is one that they have had.
    helped.start(1)
    assert as_bytes(list(helped)) == epochs[1]
    helped.start(5)
    alone.start(5)
    assert as_bytes(list(helped)) == as_bytes(list(alone))


def test_an_image_is_augmented_otherwise_in_each_epoch(dataset: FolderDataset) -> None:
    loader = make_loader(dataset, augmentation=add_noise)
    by_epoch = []
    for _ in range(2):
        rows = {
            int(index): image.numpy().tobytes()
            for batch in loader
            for index, image in zip(batch.indices, batch.images, strict=True)
        }
        by_epoch.append(rows)
    assert all(by_epoch[0][index] != by_epoch[1][index] for index in range(11))


def test_the_clean_view_is_not_augmented(dataset: FolderDataset) -> None:
    for batch in make_loader(dataset, augmentation=paint_black, views=2):
        assert batch.images.max() == 0
        assert batch.clean is not None
        for row, index in enumerate(batch.indices.tolist()):
            np.testing.assert_array_equal(
                batch.clean[row].permute(1, 2, 0).numpy(), dataset.image(index)
            )


@pytest.mark.parametrize("workers", [0, 1])
def test_the_clean_view_has_the_shared_steps_of_a_sequence(
    dataset: FolderDataset, workers: int
) -> None:
    tables: list[dict[str, Any]] = [
        {"name": "flip", "probability": 0.5, "shared": True},
        {"name": "noise"},
    ]
    augmentation = Augmentation.from_tables(tables)
    alone = make_loader(dataset, augmentation=augmentation)
    both = make_loader(dataset, augmentation=augmentation, views=2, workers=workers)
    flipped = []
    for one, two in zip([*alone, *alone], [*both, *both], strict=True):
        assert torch.equal(one.images, two.images)
        assert two.clean is not None
        for index, image, clean in zip(two.indices, two.images, two.clean, strict=True):
            original = torch.from_numpy(dataset.image(int(index))).permute(2, 0, 1)
            flipped.append(torch.equal(clean, original.flip(-1)))
            assert flipped[-1] or torch.equal(clean, original)
            # The noise lies on the same side's pixels.
            assert (image.double() - clean.double()).abs().max() < 3 * 14 + 1
            assert not torch.equal(image, clean)
    assert 0 < sum(flipped) < len(flipped) == 22


@pytest.mark.parametrize("workers", [0, 2])
def test_resuming_in_the_middle(dataset: FolderDataset, workers: int) -> None:
    whole = as_bytes(list(make_loader(dataset, augmentation=add_noise)))
    first = make_loader(dataset, augmentation=add_noise, workers=workers)
    batches = iter(first)
    begun = [next(batches)]
    state = first.state_dict()  # the workers have run ahead of this
    assert state["position"] == 1
    second = make_loader(dataset, augmentation=add_noise, workers=workers)
    second.load_state_dict(state)
    assert as_bytes([*begun, *second]) == whole
    # A loop that was left goes on behind its last batch, too.
    assert as_bytes([*begun, *first]) == whole


def test_a_state_at_the_end_of_an_epoch_leads_to_the_next(dataset: FolderDataset) -> None:
    loader = make_loader(dataset)
    first, state = as_bytes(list(loader)), loader.state_dict()
    assert (state["epoch"], state["position"]) == (0, len(loader))
    other = make_loader(dataset)
    other.load_state_dict(state)
    assert (other.epoch, other.position) == (1, 0)
    assert as_bytes(list(other)) == as_bytes(list(loader)) != first


def test_each_process_gets_its_share(dataset: FolderDataset) -> None:
    seen: list[int] = []
    for rank in range(2):
        sampler = ShuffledSampler(dataset.labels, batch_size=3, share=Share(rank, 2))
        for batch in FaceLoader(dataset, sampler, size_hw=(16, 16)):
            seen += batch.indices.tolist()
    assert sorted(seen) == list(range(11))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_image_is_black_unlabelled_and_counted(
    dataset: FolderDataset, workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    (dataset.root / "bo/01.png").write_bytes(b"no image")
    loader = make_loader(dataset, augmentation=add_noise, workers=workers, max_unreadable=0.1)
    broken = {
        int(index): (int(label), int(image.max()))
        for _ in range(2)
        for batch in loader
        for index, label, image in zip(batch.indices, batch.labels, batch.images, strict=True)
        if label < 0
    }
    assert broken == {6: (-1, 0)}
    assert list(loader.unreadable) == [6]
    assert "bo/01.png" in loader.unreadable[6]
    assert [record.getMessage() for record in caplog.records] == ["unreadable, left out: image 6"]
    assert dataset.labels[6] == 1


def test_too_many_unreadable_images_are_an_error(dataset: FolderDataset) -> None:
    for name in ("bo/01.png", "carl/00.png"):
        (dataset.root / name).unlink()
    with pytest.raises(InputError, match=r"2 of 11 images .* share of 0\.1 .* cannot be read"):
        list(make_loader(dataset, max_unreadable=0.1))


def test_other_sizes_are_resized(dataset: FolderDataset) -> None:
    for size_hw in ((8, 6), (32, 24)):
        batch = next(iter(make_loader(dataset, size_hw=size_hw)))
        assert batch.images.shape[2:] == size_hw
        means = [dataset.image(int(i)).mean() for i in batch.indices]
        np.testing.assert_allclose(batch.images.double().mean((1, 2, 3)).numpy(), means, atol=3)


@pytest.mark.timeout(60)
def test_workers_start_after_opencv_used_threads(dataset: FolderDataset) -> None:
    before = cv2.getNumThreads()
    cv2.setNumThreads(4)
    try:
        # Forked now, workers would inherit a pool without its threads, and wait for it.
        cv2.warpAffine(np.zeros((600, 500, 3), np.uint8), np.eye(2, 3), (500, 600))
        cv2.GaussianBlur(np.zeros((2000, 2000, 3), np.float32), (9, 9), 2)
        cv2.resize(np.zeros((2000, 2000, 3), np.uint8), (999, 999), interpolation=cv2.INTER_CUBIC)
        assert len(list(make_loader(dataset, workers=2))) == 3
        assert cv2.getNumThreads() == 4
    finally:
        cv2.setNumThreads(before)


def test_no_global_random_state_is_touched(dataset: FolderDataset) -> None:
    before = torch.get_rng_state()
    list(make_loader(dataset, workers=1, augmentation=add_noise))
    assert torch.equal(torch.get_rng_state(), before)


def test_what_does_not_fit_is_refused(dataset: FolderDataset) -> None:
    sampler = ShuffledSampler(dataset.labels[1:], batch_size=4)
    with pytest.raises(InputError, match="11 labels, got one of 10"):
        FaceLoader(dataset, sampler)
    with pytest.raises(InputError, match="views"):
        make_loader(dataset, views=3)
    with pytest.raises(InputError, match="position must be at most 3"):
        make_loader(dataset).start(0, 4)
    with pytest.raises(InputError, match=r"augmentation must give uint8 of shape \(16, 16, 3\)"):
        list(make_loader(dataset, augmentation=shrink))


def test_a_dataset_pickles_without_its_handles(make_folder: MakeFolder) -> None:
    dataset = FolderDataset(make_folder(COUNTS))
    copy = pickle.loads(pickle.dumps(dataset))
    assert copy.encoded(3) == dataset.encoded(3)
    (dataset.root / "anna/03.png").unlink()
    with pytest.raises(ImageError, match="cannot be read"):
        copy.image(3)


class GrowingSampler(ShuffledSampler):
    """Batches of one image, then two, three, four: none but the first fits the first one's room."""

    def epoch_batches(self, generator: np.random.Generator) -> list[list[int]]:
        order = generator.permutation(len(self.index)).tolist()
        return [order[:1], order[1:3], order[3:6], order[6:10]]

    def num_batches(self) -> int:
        return 4


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_keep_their_images_when_workers_write_the_next_ones(
    dataset: FolderDataset, workers: int
) -> None:
    def loader(workers: int) -> FaceLoader:
        sampler = ShuffledSampler(dataset.labels, batch_size=1, seed=3)
        return FaceLoader(
            dataset, sampler, augmentation=add_noise, size_hw=(16, 16), workers=workers, views=2
        )

    expected = [as_bytes(list(epoch)) for epoch in [loader(0)] * 2]
    helped = loader(workers)
    for epoch in expected:
        kept = []
        for batch in helped:
            time.sleep(0.02)  # the workers run ahead as far as they are let
            kept.append(batch)
        assert as_bytes(kept) == epoch


def test_a_batch_may_be_larger_than_the_first(dataset: FolderDataset) -> None:
    def loader(workers: int) -> FaceLoader:
        sampler = GrowingSampler(dataset.labels, batch_size=1, seed=5)
        return FaceLoader(
            dataset, sampler, augmentation=add_noise, size_hw=(16, 16), workers=workers
        )

    expected = as_bytes(list(loader(0)))
    assert [len(batch.labels) for batch in loader(2)] == [1, 2, 3, 4]
    assert as_bytes(list(loader(2))) == expected


@pytest.mark.parametrize("views", [1, 2])
def test_all_parts_of_a_batch_are_page_locked(
    dataset: FolderDataset, monkeypatch: pytest.MonkeyPatch, views: int
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    plain = list(make_loader(dataset, pin_memory=True, views=views))  # no GPU: as it is
    assert as_bytes(plain) == as_bytes(list(make_loader(dataset, views=views)))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    pinned: list[torch.Size] = []

    def pin(tensor: torch.Tensor) -> torch.Tensor:
        pinned.append(tensor.shape)
        return tensor

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    assert as_bytes([next(iter(make_loader(dataset, pin_memory=True, views=views)))]) == as_bytes(
        plain[:1]
    )
    rows = len(plain[0].labels)
    assert pinned.count(torch.Size([rows, 16, 16, 3])) == views
    assert pinned.count(torch.Size([rows])) == 3


LEFT_OPEN = """
import sys
from pathlib import Path

from vultus.data.formats.folder import FolderDataset
from vultus.data.loading.loader import FaceLoader
from vultus.sampling.samplers import ShuffledSampler

dataset = FolderDataset(Path(sys.argv[1]))
sampler = ShuffledSampler(dataset.labels, batch_size=2, seed=0)
sys.loader = FaceLoader(dataset, sampler, size_hw=(16, 16), workers=2)  # lives until the very end
for batch in sys.loader:
    if sys.argv[2] == "in the middle":
        break
print("done")
"""


@pytest.mark.timeout(60)
@pytest.mark.parametrize("where", ["in the middle", "after an epoch"])
def test_a_process_ends_with_its_workers(dataset: FolderDataset, where: str) -> None:
    command = [sys.executable, "-c", LEFT_OPEN, str(dataset.root), where]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")
