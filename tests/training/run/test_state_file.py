import json
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from vultus.core.errors import CheckpointError, InputError
from vultus.training.run.state_file import read_state, state_digest, write_state

DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32,
    torch.int16, torch.int8, torch.uint64, torch.uint32, torch.uint16, torch.uint8, torch.bool,
    torch.float8_e4m3fn, torch.float8_e5m2,
]  # fmt: skip


def every_kind() -> dict[str, object]:
    """One tensor of each dtype, of lengths that leave the next one at an odd byte."""
    values = torch.arange(7) % 2
    tensors = {str(dtype).removeprefix("torch."): values.to(dtype) for dtype in DTYPES}
    shapes = {"empty": torch.zeros(0, 3), "number": torch.tensor(1.5), "view": torch.ones(3, 4).t()}
    return {"step": 3, "tensors": tensors, "shapes": shapes}


def test_every_dtype_and_shape_comes_back(tmp_path: Path) -> None:
    state = every_kind()
    write_state(tmp_path / "s.safetensors", state)
    back = read_state(tmp_path / "s.safetensors")
    assert state_digest(back) == state_digest(state)
    assert back["shapes"]["empty"].shape == (0, 3)
    assert torch.equal(back["shapes"]["view"], torch.ones(4, 3))
    assert [path.name for path in tmp_path.iterdir()] == ["s.safetensors"]


def test_the_file_is_a_usual_safetensors_file(tmp_path: Path) -> None:
    write_state(tmp_path / "s.safetensors", {"net": {"weight": torch.arange(3.0)}, "lr": 0.1})
    tensors = load_file(tmp_path / "s.safetensors")
    assert list(tensors) == ["net.weight"]
    assert torch.equal(tensors["net.weight"], torch.arange(3.0))


def test_each_tensor_begins_at_a_multiple_of_its_elements_size(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    write_state(path, every_kind())
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    del header["__metadata__"]
    bits = {name: int("".join(filter(str.isdigit, dtype.split("_")[0])) or 8)
            for name, dtype in ((n, e["dtype"]) for n, e in header.items())}  # fmt: skip
    assert len(header) == len(DTYPES) + 3
    for name, entry in header.items():
        assert (8 + length + entry["data_offsets"][0]) % (bits[name] // 8) == 0, name


def test_tensors_that_share_memory_come_back_apart(tmp_path: Path) -> None:
    shared = torch.arange(4.0)
    write_state(tmp_path / "s.safetensors", {"whole": shared, "again": shared, "half": shared[2:]})
    back = read_state(tmp_path / "s.safetensors")
    back["whole"].zero_()
    assert torch.equal(back["again"], shared)
    assert torch.equal(back["half"], shared[2:])


def test_the_state_read_does_not_hang_on_the_file(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    write_state(path, {"w": torch.ones(1000)})
    back = read_state(path)
    path.write_bytes(bytes(path.stat().st_size))
    assert torch.equal(back["w"], torch.ones(1000))


def test_any_damaged_byte_is_found(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    state = {"w": torch.arange(3, dtype=torch.int16), "step": 7, "name": "x"}
    write_state(path, state)
    whole = path.read_bytes()
    text_end = 8 + struct.unpack("<Q", whole[:8])[0]
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        try:
            back = read_state(path)
        except CheckpointError:
            continue
        # Only a blank after the header's text may change unseen; it means nothing.
        assert whole[position : position + 1] == b" ", position
        assert position < text_end
        assert state_digest(back) == state_digest(state)


@pytest.mark.parametrize("length", [0, 7, 8, 100, -1])
def test_a_part_of_a_file_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "s.safetensors"
    write_state(path, {"w": torch.arange(3.0)})
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(CheckpointError, match="damaged or no checkpoint"):
        read_state(path)


def test_another_safetensors_file_is_refused(tmp_path: Path) -> None:
    header = json.dumps({"__metadata__": {"format": "pt"}}).encode()
    path = tmp_path / "s.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(
        CheckpointError, match="must be a checkpoint of format vultus-state-1, got pt"
    ):
        read_state(path)


def _without_token(path: Path) -> str:
    return re.sub(r"\.[0-9a-f]{12}\.part$", ".part", path.name)


def test_bytes_are_on_the_disk_before_the_name_and_the_name_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, events, sync, replace = tmp_path / "s.safetensors", [], os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        target = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if target.is_file():
            target.with_name("at-the-sync").write_bytes(target.read_bytes())
        events.append(f"sync {_without_token(target)}")
        sync(descriptor)

    def renamed(self: Path, target: Path) -> Path:
        events.append(f"{_without_token(self)} -> {target.name}")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    write_state(path, {"w": torch.arange(5000.0)})
    assert events == [
        "sync .s.safetensors.part",
        ".s.safetensors.part -> s.safetensors",
        f"sync {tmp_path.name}",
    ]
    assert (tmp_path / "at-the-sync").read_bytes() == path.read_bytes()


def test_a_state_that_cannot_be_saved_leaves_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    write_state(path, {"step": 1})
    with pytest.raises(InputError, match=r"got builtins\.object at bad"):
        write_state(path, {"bad": object()})
    assert read_state(path) == {"step": 1}


_FULL_DISK = """
import signal, sys, resource
from pathlib import Path
import torch
from vultus.core.errors import CheckpointError
from vultus.training.run.state_file import read_state, write_state

folder = Path(sys.argv[1])
write_state(folder / "s.safetensors", {"step": 1})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_state(folder / "s.safetensors", {"w": torch.zeros(1_000_000)})
except CheckpointError as error:
    print(error)
print(sorted(path.name for path in folder.iterdir()), read_state(folder / "s.safetensors"))
"""


def test_a_full_disk_is_named_and_the_good_file_stays(tmp_path: Path) -> None:
    # A limit on the size of files fails as a full disk does: in the middle of writing.
    done = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "the disk is full; earlier checkpoints are untouched" in done.stdout
    assert done.stdout.endswith("['s.safetensors'] {'step': 1}\n")
