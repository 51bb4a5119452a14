"""Figures of data sets whose content is known."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vultus.core.faces import Image
from vultus.data.formats.folder import FolderDataset
from vultus.data.formats.list_file import ListDataset
from vultus.data.summary import summarise
from vultus.image.io import write_image

MakeFolder = Callable[..., Path]


def test_counts_and_sizes(make_folder: MakeFolder) -> None:
    root = make_folder({"a": 1, "b": 1, "c": 2, "d": 12, "e": 0, "_unlabelled": 3})
    write_image(root / "c/00.png", np.zeros((8, 20, 3), np.uint8))
    (root / "d/11.png").write_bytes(b"no image")
    summary = summarise(FolderDataset(root), examine=None)
    assert (summary.images, summary.unlabelled, summary.identities) == (19, 3, 4)
    assert summary.empty == ("e",)
    assert summary.per_identity == {"min": 1, "median": 1.5, "mean": 4.0, "max": 12}
    assert summary.distribution == {"1": 2, "2-4": 1, "10-19": 1}
    assert summary.sizes_hw == {(16, 16): 17, (8, 20): 1}
    assert list(summary.unreadable) == [18]
    assert summary.to_dict()["sizes_hw"] == {"16x16": 17, "8x20": 1}


def test_only_a_sample_is_decoded(make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = FolderDataset(make_folder({"a": 10}))
    told: list[tuple[int, int]] = []
    seen: list[int] = []
    image = dataset.image

    def spy(index: int) -> Image:
        seen.append(index)
        return image(index)

    monkeypatch.setattr(dataset, "image", spy)
    summary = summarise(
        dataset, examine=4, progress=lambda what, done, total: told.append((done, total))
    )
    assert seen == [0, 2, 5, 7]
    assert told == [(done, 4) for done in range(5)]
    assert summary.examined == sum(summary.sizes_hw.values()) == 4


def test_without_identities(make_folder: MakeFolder) -> None:
    root = make_folder({"a": 2})
    (root / "list.txt").write_text("a/00.png\na/01.png\n")
    summary = summarise(ListDataset(root / "list.txt"))
    assert (summary.identities, summary.unlabelled) == (0, 2)
    assert (summary.per_identity, summary.distribution) == ({}, {})
