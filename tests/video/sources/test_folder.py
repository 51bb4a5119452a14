from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vultus.core.errors import ImageError, VideoError
from vultus.video.sources.folder import FrameFolder


def test_frames_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for n in (1, 2, 10):
        Image.new("RGB", (8, 6), (n, n, n)).save(tmp_path / f"f{n}.png")
    source = FrameFolder(tmp_path, fps=10)
    frames = list(source.frames())
    assert [int(f.image[0, 0, 0]) for f in frames] == [1, 2, 10]
    np.testing.assert_allclose([f.time_s for f in frames], [0, 0.1, 0.2])
    assert [f.number for f in source.frames(after=1)] == [2]
    assert source.name == tmp_path.name


def test_a_folder_without_photos_of_its_own_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no image below the folder"):
        FrameFolder(tmp_path)
    below = tmp_path / "below"
    below.mkdir()
    Image.new("RGB", (8, 8)).save(below / "1.png")
    with pytest.raises(VideoError, match="holds no photo"):
        FrameFolder(tmp_path)
