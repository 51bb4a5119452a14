from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from vultus.data.augmentation import AUGMENTATIONS
from vultus.data.synthetic import SyntheticFaces
from vultus.image.io import read_image, write_image

Run = Callable[..., Any]


def test_augmentations_of_a_crop(run: Run, tmp_path: Path) -> None:
    crop, path = tmp_path / "crop.png", tmp_path / "sheet.png"
    face = SyntheticFaces(identities=1, images=1).image(0)
    write_image(crop, face)
    arguments = ["augmentations", "-o", str(path), "--crop", str(crop), "--columns", "2"]
    result = run("plot", *arguments)
    assert (result.code, result.out.strip()) == (0, str(path))
    sheet = read_image(path)
    assert sheet.shape[0] == 114 * len({*AUGMENTATIONS} - {"mixup"})
    np.testing.assert_array_equal(sheet[:112, -3 * 114 : -2 * 114 - 2], face)


def test_augmentations_of_a_recipe(run: Run, tmp_path: Path) -> None:
    recipe, path = tmp_path / "mine.toml", tmp_path / "sheet.png"
    packaged = ["augmentations", "-o", str(path), "--recipe", "arcface-tiny"]
    run("plot", *packaged)
    before = read_image(path).shape[0]
    augment = '[[augment]]\nname = "flip"\nprobability = 0.5\n\n[[augment]]\nname = "blur"\n'
    recipe.write_text(f'extends = "arcface-tiny"\n\n{augment}', "utf-8")
    run("plot", *packaged[:-1], str(recipe))
    assert read_image(path).shape[0] == before + 114


def test_synthetic_faces(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "faces.png"
    arguments = ["synthetic-faces", "-o", str(path), "--identities", "2", "--columns", "3"]
    arguments += ["--seed", "4", "--difficulty", "0.5"]
    result = run("plot", *arguments)
    assert (result.code, result.out.strip()) == (0, str(path))
    faces = SyntheticFaces(identities=2, images=3, seed=4, difficulty=0.5)
    np.testing.assert_array_equal(read_image(path)[114:226, :112], faces.image(3))
