"""`vultus data pairs`: packed and unpacked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from vultus.data.formats.pair_set import read_pair_set

Run = Callable[..., Any]


def test_pairs_are_packed_and_unpacked(run: Run, faces: Path, tmp_path: Path) -> None:
    listed = tmp_path / "pairs.tsv"
    listed.write_text("web/anna/0.png\tweb/anna/1.png\t1\nweb/anna/0.png\tweb/bo/0.png\t0\n")
    packed = tmp_path / "own.bin"
    assert "2 pairs of 3" in run("data", "pairs", listed, packed, "--photos", faces).out
    images, flags = read_pair_set(packed)
    names = ["web/anna/0", "web/anna/1", "web/anna/0", "web/bo/0"]
    assert images == [(faces / f"{name}.png").read_bytes() for name in names]
    assert flags.tolist() == [True, False]
    done = run("data", "pairs", packed, tmp_path / "out", "--json").json
    assert (done["images"], done["pairs"]) == (3, 2)
    assert run("data", "pairs", packed, tmp_path / "other.bin").code == 2
    assert "vultus data pairs" in run("data", "info", packed).err
