import zipfile
from pathlib import Path

import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.data.formats.pair_set import read_pair_set
from vultus.evaluation.protocols.pairs.pair_packing import pack_pair_list
from vultus.image.io import write_image


@pytest.mark.parametrize("zipped", [False, True])
def test_a_list_and_its_photos_become_one_file(tmp_path: Path, zipped: bool) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in "abc":
        write_image(photos / f"{name}.png", np.full((8, 8, 3), ord(name), np.uint8))
    bytes_of = {name: (photos / f"{name}.png").read_bytes() for name in "abc"}
    if zipped:
        with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
            for name in "abc":
                archive.write(photos / f"{name}.png", f"{name}.png")
        photos = tmp_path / "photos.zip"
    (tmp_path / "pairs.txt").write_text("a.png b.png 1\na.png c.png 0\n")
    target = tmp_path / "pairs.bin"
    assert pack_pair_list(tmp_path / "pairs.txt", target, photos=photos) == (3, 2)
    images, flags = read_pair_set(target)
    assert [bytes(image) for image in images] == [bytes_of[name] for name in "abac"]
    assert list(flags) == [True, False]
    with pytest.raises(InputError, match="must hold images"):
        pack_pair_list(tmp_path / "pairs.txt", target, photos=_empty(tmp_path))


def _empty(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"
