from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import ImageError, InputError
from vultus.core.faces import Image
from vultus.data.base import FaceDataset
from vultus.data.loading.batch import FaceBatch
from vultus.data.loading.loader import FaceLoader
from vultus.training.objectives import targets
from vultus.training.objectives.objective import StageSetting
from vultus.training.objectives.targets import (
    LiveTargets,
    TargetFolder,
    TargetTable,
    compute_targets,
    data_digest,
)
from vultus.training.objectives.teacher import TeacherNetwork
from vultus.training.process.distributed import World
from vultus.training.recipe.recipe_file import load_recipe

Pixels = npt.NDArray[np.uint8]


class Grey(FaceDataset):
    """Image i is 10 i everywhere; the names begin with a place; 7 cannot be read."""

    def __init__(self, count: int = 23, *, place: str = "/here", unreadable: int = 7) -> None:
        super().__init__(np.arange(count) % 3 - 1, identities=["a", "b"])
        self.place = place
        self.unreadable = unreadable

    def image(self, index: int) -> Image:
        if index == self.unreadable:
            raise ImageError("broken")
        return np.full((4, 4, 3), 10 * index, np.uint8)

    def encoded(self, index: int) -> bytes:
        return self.image(index).tobytes()

    def source(self, index: int) -> str:
        return f"{self.place}/{index % 4}/{index}.png"


class Mean:
    """A teacher: the mean of the pixels, and a two."""

    template = "arcface-112"
    size_hw = (2, 2)
    space = EmbeddingSpace("mean", "0" * 64, "arcface-112", 2)

    def __init__(self) -> None:
        self.seen = 0

    def embed(self, pixels: Pixels) -> Embeddings:
        assert pixels.shape[1:] == (2, 2, 3)
        self.seen += len(pixels)
        means = pixels.reshape(len(pixels), -1).mean(axis=1)
        raw = np.stack([means, np.full(len(pixels), 2.0)], axis=1).astype(np.float32)
        return Embeddings.from_raw(raw, self.space)

    def network(self) -> TeacherNetwork:
        return TeacherNetwork(_MeanAndTwo(), mean=0.0, std=1.0, flip=False)


class _MeanAndTwo(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        assert images.shape[1:] == (3, 2, 2)
        means = images.mean(dim=(1, 2, 3))
        return torch.stack([means, torch.full_like(means, 2)], dim=1)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "_PART_ROWS", 5)


def stop_after(batches: int) -> Callable[[], bool]:
    left = iter(range(batches))
    return lambda: next(left, None) is None


def compute(
    folder: TargetFolder,
    teacher: Mean,
    dataset: FaceDataset,
    *,
    stop: int = 99,
    note: Callable[[str], None] = lambda _: None,
) -> bool:
    setting = StageSetting(
        recipe=load_recipe("arcface-tiny"),
        dataset=dataset,
        folder=Path(),
        world=World(),
        note=note,
        should_stop=stop_after(stop),
        interruptibly=iter,
    )
    return compute_targets(folder, teacher, setting, batch_size=2)


@pytest.fixture
def grey(monkeypatch: pytest.MonkeyPatch) -> Grey:
    # One of 23 is more than the usual share of unreadable images.
    monkeypatch.setattr(targets, "FaceLoader", _lenient)
    return Grey()


def _lenient(*args: Any, **settings: Any) -> FaceLoader:
    return FaceLoader(*args, max_unreadable=0.1, **settings)


def test_every_image_is_asked_about_once_and_found_again(grey: Grey, tmp_path: Path) -> None:
    teacher = Mean()
    folder = TargetFolder.of(tmp_path, teacher, grey)
    assert compute(folder, teacher, grey)
    assert (teacher.seen, folder.parts, folder.missing()) == (22, 5, [])
    table = TargetTable(folder)
    rows, known = table.rows(torch.tensor([22, 3, 7, 3, 10]))
    assert known.tolist() == [True, True, False, True, True]
    expected = torch.tensor([[220.0, 2], [30, 2], [0, 0], [30, 2], [100, 2]])
    torch.testing.assert_close(rows, expected * table.scale)
    lengths = [np.hypot(10 * i, 2) for i in range(23) if i != 7]
    assert table.scale == pytest.approx(np.sqrt(2) / np.mean(lengths))
    assert compute(TargetFolder.of(tmp_path, teacher, grey), teacher, grey)
    assert teacher.seen == 22


def test_a_stopped_computation_goes_on_with_what_is_missing(grey: Grey, tmp_path: Path) -> None:
    teacher = Mean()
    folder = TargetFolder.of(tmp_path, teacher, grey)
    assert not compute(folder, teacher, grey, stop=7)  # three batches a part: two parts are done
    assert folder.missing() == [2, 3, 4]
    with pytest.raises(InputError, match=r"part-00002\.npy is missing; resume"):
        TargetTable(folder)
    folder.part(1).write_bytes(folder.part(1).read_bytes()[:-3])
    assert folder.missing() == [1, 2, 3, 4]
    teacher.seen = 0
    assert compute(folder, teacher, grey)
    assert teacher.seen == 17  # 18 images are in the four parts, and image 7 is broken
    assert {path.name for path in folder.path.iterdir()} == {f"part-0000{i}.npy" for i in range(5)}


def test_a_folder_belongs_to_teacher_and_data(tmp_path: Path) -> None:
    teacher, other = Mean(), Mean()
    other.space = EmbeddingSpace("mean", "1" * 64, "arcface-112", 2)
    paths = {TargetFolder.of(tmp_path, t, Grey()).path for t in (teacher, other)}
    paths |= {TargetFolder.of(tmp_path, teacher, Grey(22)).path}
    assert len(paths) == 3


def test_moved_data_is_the_same_and_other_data_is_not(tmp_path: Path) -> None:
    assert data_digest(Grey()) == data_digest(Grey(place="/over/there"))
    assert data_digest(Grey()) != data_digest(Grey(24))
    assert data_digest(Grey()) != data_digest(Grey(unreadable=8))

    class Renamed(Grey):
        def source(self, index: int) -> str:
            return super().source(index ^ 1)

    assert data_digest(Grey(24)) != data_digest(Renamed(24))


def test_progress_is_told(grey: Grey, tmp_path: Path) -> None:
    notes: list[str] = []
    folder = TargetFolder.of(tmp_path, Mean(), grey)
    compute(folder, Mean(), grey, note=notes.append)
    assert notes[0] == "teacher: 23 images to embed"
    assert notes[-1].startswith("teacher: 23 of 23 images, ")


def test_images_are_brought_to_the_teachers_size(tmp_path: Path) -> None:
    class Photo(Grey):
        def image(self, index: int) -> Image:
            generator = np.random.default_rng(index)
            return generator.integers(0, 255, (8, 8, 3), np.uint8)

    seen: list[Pixels] = []

    class Looks(Mean):
        def embed(self, pixels: Pixels) -> Embeddings:
            seen.extend(pixels)
            return super().embed(pixels)

    photos = Photo(6, unreadable=-1)
    assert compute(TargetFolder.of(tmp_path, Mean(), photos), Looks(), photos)
    for index in range(6):
        expected = cv2.resize(photos.image(index), (2, 2), interpolation=cv2.INTER_AREA)
        assert (seen[index] == expected).all()


def live(dataset: FaceDataset, **settings: Any) -> LiveTargets:
    return LiveTargets(Mean(), dataset, device=torch.device("cpu"), **settings)


def a_batch(clean: Tensor | None) -> FaceBatch:
    images = torch.zeros(2, 3, 2, 2, dtype=torch.uint8)
    return FaceBatch(images, torch.zeros(2), torch.tensor([3, 4]), clean)


def test_a_live_teacher_is_scaled_as_its_table(grey: Grey, tmp_path: Path) -> None:
    folder = TargetFolder.of(tmp_path, Mean(), grey)
    assert compute(folder, Mean(), grey)
    targets = live(grey)  # image 7 counts for neither
    lengths = [np.hypot(10 * i, 2) for i in range(23) if i != 7]
    assert targets.scale == pytest.approx(np.sqrt(2) / np.mean(lengths))
    assert targets.scale == pytest.approx(TargetTable(folder).scale)
    assert targets.dim == 2


def test_a_live_teacher_is_measured_with_images_spread_over_the_data(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(targets, "_MEASURED_LIVE", 3)
    monkeypatch.setattr(targets, "_SAMPLED", 2)
    lengths = [np.hypot(10 * i, 2) for i in (0, 11, 22)]
    assert live(Grey()).scale == pytest.approx(np.sqrt(2) / np.mean(lengths))


def test_a_live_teacher_sees_the_clean_views() -> None:
    targets = live(Grey())
    shades = torch.tensor([50, 70], dtype=torch.uint8).reshape(2, 1, 1, 1)
    found = targets.rows(a_batch(shades.expand(2, 3, 2, 2)))
    torch.testing.assert_close(found, torch.tensor([[50.0, 2], [70, 2]]) * targets.scale)
    with pytest.raises(InputError, match="needs batches with two views"):
        targets.rows(a_batch(None))


def test_a_live_teacher_computes_in_the_precision_of_the_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []

    class Product(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            rows: Tensor = images.flatten(1) @ torch.ones(12, 2)
            seen.append(rows.dtype)
            return rows

    def network(_: Mean) -> TeacherNetwork:
        return TeacherNetwork(Product(), mean=0.0, std=1.0, flip=False)

    monkeypatch.setattr(Mean, "network", network)
    clean = torch.ones(2, 3, 2, 2, dtype=torch.uint8)
    for precision, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
        seen.clear()
        assert live(Grey(), precision=precision).rows(a_batch(clean)).dtype == torch.float32
        assert set(seen) == {dtype}


def test_a_live_teacher_needs_an_image_to_be_measured_with() -> None:
    with pytest.raises(InputError, match="none of the images"):
        live(Grey(1, unreadable=0))


def test_centred_answers_lose_the_mean_direction_and_keep_their_length(
    grey: Grey, tmp_path: Path
) -> None:
    teacher = Mean()
    folder = TargetFolder.of(tmp_path, teacher, grey)
    assert compute(folder, teacher, grey)
    table = TargetTable(folder, centre=True)
    raw = torch.tensor([[10.0 * i, 2] for i in range(23) if i != 7])
    lengths = raw.norm(dim=1, keepdim=True)
    units = raw / lengths
    torch.testing.assert_close(table.mean, units.mean(dim=0))
    expected = (units - units.mean(dim=0)) * lengths
    assert table.scale == pytest.approx(float(2**0.5 / expected.norm(dim=1).mean()))
    rows, known = table.rows(torch.tensor([i for i in range(23) if i != 7]))
    assert known.all()
    torch.testing.assert_close(rows, expected * table.scale)
    torch.testing.assert_close((rows / lengths).mean(dim=0), torch.zeros(2), atol=1e-5, rtol=0)
    _, known = table.rows(torch.tensor([7]))
    assert not known.any()


def test_a_live_teacher_is_centred_alike(grey: Grey, tmp_path: Path) -> None:
    teacher = Mean()
    folder = TargetFolder.of(tmp_path, teacher, grey)
    assert compute(folder, teacher, grey)
    table = TargetTable(folder, centre=True)
    live = LiveTargets(teacher, grey, device=torch.device("cpu"), centre=True)
    assert live.scale == pytest.approx(table.scale, rel=1e-5)
    torch.testing.assert_close(live.mean, table.mean)
    clean = torch.full((1, 3, 2, 2), 30, dtype=torch.uint8)
    batch = FaceBatch(clean, torch.tensor([0]), torch.tensor([3]), clean=clean)
    torch.testing.assert_close(live.rows(batch), table.rows(torch.tensor([3]))[0])
