from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from vultus.core.choices import Storage
from vultus.core.errors import InputError, ModelError
from vultus.export import parity
from vultus.export.parity import Parity, check_parity, compare, sample_crops


def unit(rows: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def nearest(rows: npt.NDArray[np.float32], i: int) -> int:
    return max((j for j in range(len(rows)) if j != i), key=lambda j: float(rows[i] @ rows[j]))


def test_the_worst_run_counts_and_loops_agree() -> None:
    generator = np.random.default_rng(0)
    expected = unit(generator.normal(size=(20, 4)))
    runs = [unit(expected + generator.normal(0, s, expected.shape)) for s in (0.01, 0.5)]
    report = compare(runs, expected, tie=1e-5, engine="this")
    differences, cosines, same = [], [], []
    for run in runs:
        differences.append(max(abs(a - b) for a, b in zip(run.flat, expected.flat, strict=True)))
        cosines.append(min(float(a @ b) for a, b in zip(run, expected, strict=True)))
        same.append(sum(nearest(run, i) == nearest(expected, i) for i in range(20)) / 20)
    assert report.max_difference == pytest.approx(max(differences), rel=1e-5)
    assert report.least_cosine == pytest.approx(min(cosines), rel=1e-5)
    assert report.same_neighbours == pytest.approx(min(same))
    assert min(same) < 1
    assert (report.crops, report.batches, report.engine) == (20, (1, 32), "this")


def test_a_neighbour_that_is_as_near_is_the_same() -> None:
    # Row 0 lies between 1 and 2; a rounding decides which of them is nearer.
    expected = unit(np.array([[1, 1e-7], [1, 0.1], [1, -0.1]]))
    found = unit(np.array([[1, 1e-7], [1, 0.1], [1, -0.1]]))
    other = unit(np.array([[1, -1e-7], [1, 0.1], [1, -0.1]]))
    for run in (found, other):
        assert compare([run, run], expected, tie=1e-5, engine="").same_neighbours == 1
        assert compare([found, other], expected, tie=0, engine="").same_neighbours == 2 / 3


@pytest.mark.parametrize(
    ("storage", "cosine", "neighbours", "passes"),
    [
        ("f32", 0.999995, 1.0, True),
        ("f32", 0.99998, 1.0, False),
        ("f32", 1.0, 0.99, False),
        ("f16", 0.99995, 0.99, True),
        ("f16", 0.9998, 1.0, False),
        ("int8", 0.991, 0.96, True),
        ("int8", 0.991, 0.94, False),
    ],
)
def test_limits(storage: Storage, cosine: float, neighbours: float, passes: bool) -> None:
    good = Parity("a", 9, (1, 32), 0.0, 1.0, 1.0)
    report = Parity("this engine", 9, (1, 32), 0.1, cosine, neighbours)
    if passes:
        check_parity([good, report], storage)
        return
    with pytest.raises(ModelError, match=f"nothing was written: this engine.*with {storage} weig"):
        check_parity([good, report], storage)


@pytest.mark.parametrize(
    ("template", "size_hw"),
    [("arcface-112", (112, 112)), ("sphereface-112x96", (112, 96)), ("facenet-160", (160, 160))],
)
def test_crops_are_drawn_for_every_template(template: str, size_hw: tuple[int, int]) -> None:
    crops = sample_crops(template)
    assert (len(crops), crops.size_hw, crops.template) == (12, size_hw, template)
    assert crops.pixels.std() > 20


def test_crops_come_from_a_data_set_evenly_spread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for person in range(3):
        (tmp_path / f"p{person}").mkdir()
        for number in range(100):
            grey = np.full((10, 10, 3), 80 * person, np.uint8)
            assert cv2.imwrite(str(tmp_path / f"p{person}" / f"{number:03d}.png"), grey)
    (tmp_path / "p0" / "000.png").write_bytes(b"no image")
    monkeypatch.setattr(parity, "SAMPLE", 128)
    crops = sample_crops("arcface-112", tmp_path)
    assert len(crops) == 127
    assert [int(crops.pixels[i].mean()) for i in (0, 63, -1)] == [0, 80, 160]
    for path in tmp_path.glob("*/*.png"):
        path.write_bytes(b"no image")
    with pytest.raises(InputError, match="at least two images"):
        sample_crops("arcface-112", tmp_path)
