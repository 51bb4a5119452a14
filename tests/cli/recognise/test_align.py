"""`vultus align`: crops on real photos."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from vultus.image.io import read_image

Run = Callable[..., Any]


def test_align_writes_crops_and_their_origin(run: Run, photos: Path, tmp_path: Path) -> None:
    arguments = ["align", photos / "both-together.jpg", "-o", tmp_path]
    outcome = run(*arguments, "--template", "sphereface-112x96", "--json")
    assert outcome.code == 0
    summary = json.loads((tmp_path / "crops.json").read_text())
    assert summary == outcome.json
    assert len(summary["crops"]) == 2
    for crop in summary["crops"]:
        assert read_image(tmp_path / crop["crop"]).shape == (112, 96, 3)
        assert np.array(crop["transform"]).shape == (2, 3)
    assert run(*arguments, "--template", "arcface").code == 2
