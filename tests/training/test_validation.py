import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from torch import Tensor, nn

from vultus.core.errors import ConfigError, InputError
from vultus.data import open_dataset
from vultus.training.recipe.config import EvaluationConfig, EvaluationSet, InputConfig
from vultus.training.validation import CropEmbedder, EvaluationStoppedError, open_validations


class Pool(nn.Module):
    """Block means, which tell the patterns of the test folder apart."""

    dim = 48

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        assert not self.training
        self.batches.append(len(images))
        pooled = nn.functional.adaptive_avg_pool2d(images, 4)
        return (pooled - 0.9 * pooled.mean(dim=(2, 3), keepdim=True)).flatten(1)


def embedder(**settings: Any) -> CropEmbedder:
    return CropEmbedder(
        Pool(),
        input=InputConfig(size_hw=(32, 32)),
        config=EvaluationConfig(**settings),
        device=torch.device("cpu"),
    )


def png(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Pillow.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def test_a_folder_of_identities_is_judged_on_pairs_drawn_from_it(face_folder: Path) -> None:
    (validation,) = open_validations(
        [EvaluationSet(root=str(face_folder), settings={"pairs": 400})]
    )
    result = validation.run(embedder())
    assert result.name == face_folder.name
    assert result.accuracy.n_pairs == 400
    assert result.accuracy.mean > 0.8
    assert result.to_dict()["accuracy_low"] < result.accuracy.mean


def test_a_bin_file_is_judged_by_its_own_pairs(face_folder: Path, tmp_path: Path) -> None:
    faces = open_dataset(face_folder)
    images, same = [], []
    for person in range(0, 40, 2):
        for other, flag in ((person * 8 + 1, True), (person * 8 + 8, False)):
            images += [faces.encoded(person * 8), faces.encoded(other)]
            same.append(flag)
    path = tmp_path / "tiny.bin"
    path.write_bytes(pickle.dumps((images, same), protocol=2))
    (validation,) = open_validations([EvaluationSet(root=str(path))])
    result = validation.run(embedder())
    assert (result.name, result.accuracy.n_pairs) == ("tiny", 40)
    assert result.accuracy.mean > 0.8


def test_batches_do_not_change_the_features_and_flip_adds_the_mirror() -> None:
    images = list(np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8))
    small, large = embedder(batch_size=2), embedder(batch_size=64)
    first = small.embed(images).embeddings
    assert small.backbone.batches == [2, 2, 1]
    np.testing.assert_allclose(first.vectors, large.embed(images).embeddings.vectors, atol=1e-6)
    flipped = embedder(flip=True).embed(images).embeddings
    mirrored = embedder(flip=True).embed([image[:, ::-1].copy() for image in images]).embeddings
    np.testing.assert_allclose(flipped.vectors, mirrored.vectors, atol=1e-6)


def test_unreadable_crops_fail_and_the_others_are_counted() -> None:
    good = png(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
    embedded = embedder()([good, b"no image", good], aligned=True)
    assert embedded.failed.tolist() == [False, True, False]
    assert len(embedded.embeddings) == 2


def test_the_mode_of_the_network_comes_back() -> None:
    judge = embedder()
    judge.backbone.train()
    judge.embed([np.zeros((32, 32, 3), np.uint8)])
    assert judge.backbone.training


def test_an_evaluation_can_be_stopped_between_batches() -> None:
    judge = embedder(batch_size=2)
    answers = iter([False, True])
    judge.should_stop = lambda: next(answers)
    with pytest.raises(EvaluationStoppedError):
        judge.embed([np.zeros((32, 32, 3), np.uint8)] * 9)
    assert judge.backbone.batches == [2]


def test_crops_of_another_size_are_resized_as_in_training() -> None:
    small = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    large = small.repeat(2, axis=0).repeat(2, axis=1)
    embedded = embedder().embed([small, large]).embeddings.vectors
    assert np.array_equal(embedded[0], embedded[1])


def test_equal_embeddings_have_no_spread() -> None:
    judge = embedder()
    judge.embed([np.full((32, 32, 3), 200, np.uint8)] * 3)
    assert judge.spread == pytest.approx(0, abs=1e-6)


def test_what_does_not_fit_is_refused(face_folder: Path) -> None:
    with pytest.raises(ConfigError, match="aligned crops"):
        embedder()([b""], aligned=False)
    with pytest.raises(ConfigError, match=r"size_hw \(32, 32\), or .* got \(30, 32\)"):
        embedder().embed([np.zeros((30, 32, 3), np.uint8)])
    with pytest.raises(InputError, match="there is no"):
        open_validations([EvaluationSet(root="/nowhere")])
    with pytest.raises(ConfigError, match="no kind 'lwf'"):
        open_validations([EvaluationSet(root=str(face_folder), kind="lwf")])
    with pytest.raises(ConfigError, match="different names"):
        open_validations([EvaluationSet(root=str(face_folder))] * 2)
