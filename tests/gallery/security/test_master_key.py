import base64
import os
import stat
import threading
from pathlib import Path

import pytest

from vultus.core.errors import ConfigError, GalleryKeyError, InputError, OutputError
from vultus.gallery.security.master_key import (
    MasterKey,
    ScryptCost,
    key_from_environment,
    new_key_file,
    read_key_file,
)

SECRET = bytes(range(200, 232))


def test_a_new_key_file_is_for_its_owner_and_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "gallery.key"
    key = new_key_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_key_file(path) == key
    assert len(key.secret) == 32
    with pytest.raises(OutputError, match="exists"):
        new_key_file(path)
    assert read_key_file(path) == key


@pytest.mark.parametrize(
    "content",
    [
        SECRET,
        SECRET.hex().encode(),
        SECRET.hex().upper().encode() + b"\r\n",
        base64.b64encode(SECRET),
        base64.urlsafe_b64encode(SECRET).rstrip(b"=") + b"\n",
    ],
)
def test_each_form_of_a_key_file_is_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "gallery.key"
    path.write_bytes(content)
    path.chmod(0o640)
    assert read_key_file(path).secret == SECRET


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o602])
def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "gallery.key"
    new_key_file(path)
    path.chmod(mode)
    with pytest.raises(GalleryKeyError, match=f"mode is {mode:04o}; `chmod 600 "):
        read_key_file(path)


def test_a_key_comes_through_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path, 0o644)
    writer = threading.Thread(target=path.write_bytes, args=(base64.b64encode(SECRET),))
    writer.start()
    assert read_key_file(path).secret == SECRET
    writer.join()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "must hold a key of 32 bytes"),
        (b"secret", "got 6 characters"),
        (b"x" * 32, "got 32 characters"),  # text is no random bytes
        (b"0" * 64, "a pattern"),
        (b"\x80" * 32, "a pattern"),
        (b"\xff" * 33, "holds no key"),
        (b"a" * 5000, "holds no key"),
        (b"zz" * 32, "got 64 characters"),
    ],
)
def test_what_is_no_key_is_refused_and_not_shown(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "gallery.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=said) as caught:
        read_key_file(path)
    if len(content) > 1:
        assert repr(content)[2:-1] not in str(caught.value)


def test_a_missing_key_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(GalleryKeyError, match=r"no\.key cannot be read: No such file"):
        read_key_file(tmp_path / "no.key")
    with pytest.raises(GalleryKeyError, match="cannot be read: Is a directory"):
        read_key_file(tmp_path)


def test_the_environment_may_hold_the_key() -> None:
    found = key_from_environment({"VULTUS_GALLERY_KEY": f" {SECRET.hex()}\n"})
    assert found == MasterKey(SECRET)
    assert key_from_environment({}) is None
    assert key_from_environment({"VULTUS_GALLERY_KEY": ""}) is None
    with pytest.raises(ConfigError, match=r"\$VULTUS_GALLERY_KEY must hold a key"):
        key_from_environment({"VULTUS_GALLERY_KEY": "hunter2"})


def test_a_recovery_key_is_printed_and_typed_in_again() -> None:
    key = MasterKey.new_recovery()
    text = key.recovery_text()
    groups = text.split("-")
    assert [len(group) for group in groups] == [4] * 10
    assert "0" not in text
    assert "1" not in text
    typed = " ".join(groups).lower().replace("o", "0").replace("i", "1")
    assert MasterKey.parse(typed, source="paper") == key
    assert MasterKey.parse(text, source="paper") == key


def test_every_mistyped_letter_of_a_recovery_key_is_found() -> None:
    text = MasterKey(bytes(range(20)), "recovery").recovery_text()
    for place, letter in enumerate(text):
        if letter == "-":
            continue
        other = "A" if letter != "A" else "B"
        with pytest.raises(ConfigError, match="mistyped"):
            MasterKey.parse(text[:place] + other + text[place + 1 :], source="paper")
    with pytest.raises(ConfigError, match="mistyped"):
        MasterKey.parse("!" * 40, source="paper")
    swapped = "-".join(reversed(text.split("-")))
    with pytest.raises(ConfigError, match="mistyped"):
        MasterKey.parse(swapped, source="paper")


def test_only_a_recovery_key_is_printed() -> None:
    with pytest.raises(InputError, match="only a recovery key"):
        MasterKey.new().recovery_text()


def test_passphrases_that_look_alike_are_the_same() -> None:
    composed, decomposed = "caf\u00e9 with milk", "cafe\u0301 with milk"
    assert MasterKey.from_passphrase(composed) == MasterKey.from_passphrase(decomposed)
    assert MasterKey.from_passphrase("short").secret == b"short"
    with pytest.raises(InputError, match="12 characters or more, got 5"):
        MasterKey.from_passphrase("short", new=True)
    with pytest.raises(InputError, match="1 characters or more"):
        MasterKey.from_passphrase("")


@pytest.mark.parametrize("cost", [{"n": 2**30}, {"n": 3}, {"n": 2}, {"r": 1000}, {"p": 0}])
def test_costs_that_no_machine_could_pay_are_refused(cost: dict[str, int]) -> None:
    with pytest.raises(InputError, match="costs of scrypt"):
        ScryptCost(**cost)


def test_keys_have_one_size() -> None:
    with pytest.raises(InputError, match="a key must have 32 bytes, got 31"):
        MasterKey(bytes(31))
