"""`vultus gallery key | rekey`, and the options that open a gallery."""

import io
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vultus.gallery.gallery import Gallery
from vultus.gallery.security.master_key import MasterKey, ScryptCost, read_key_file
from vultus.gallery.upkeep import rekeying

Run = Callable[..., Any]
Make = Callable[..., Path]
WORDS = "five good words"


@pytest.fixture
def key_file(run: Run, tmp_path: Path) -> Path:
    path = tmp_path / "gallery.key"
    assert run("gallery", "key", "new", path).code == 0
    return path


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """What is typed at the next command, line by line."""

    def type_in(*lines: str) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))

    return type_in


@pytest.fixture(autouse=True)
def cheap_passphrases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ScryptCost.__init__, "__kwdefaults__", {"n": 2**14, "r": 8, "p": 1})


def test_a_key_file_is_made_once(run: Run, key_file: Path) -> None:
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    key = read_key_file(key_file)
    again = run("gallery", "key", "new", key_file)
    assert again.code == 2
    assert "exists" in again.err
    assert read_key_file(key_file) == key
    other = key_file.with_name("other.key")
    assert run("gallery", "key", "new", other, "--json").json == {"key": str(other)}


def test_a_gallery_is_sealed_and_opens_by_its_key_only(
    run: Run, make: Make, key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make()
    done = run("gallery", "rekey", file, "--new-key", key_file, "--json")
    assert (done.code, done.json["sealed"], done.json["keys"]) == (0, True, 3)
    assert "no recovery key" in done.err
    refused = run("gallery", "list", file)
    assert refused.code == 2
    assert "give --key FILE" in refused.err
    other = tmp_path / "other.key"
    assert run("gallery", "key", "new", other).code == 0
    wrong = run("gallery", "list", file, "--key", other)
    assert (wrong.code, "not the gallery's key" in wrong.err) == (2, True)
    listed = run("gallery", "list", file, "--key", key_file, "--json")
    assert [p["identity"] for p in listed.json["people"]] == ["Ann", "Bob", "Cleo"]
    monkeypatch.setenv("VULTUS_GALLERY_KEY", key_file.read_text())
    assert run("gallery", "list", file, "--json").json == listed.json
    key_file.chmod(0o644)
    seen = run("gallery", "list", file, "--key", key_file)
    assert (seen.code, "chmod 600" in seen.err) == (2, True)


def test_every_command_takes_the_key(
    run: Run, make: Make, key_file: Path, original: Path, tiny_model: Path, tmp_path: Path
) -> None:
    file, key = make(key=read_key_file(key_file)), ["--key", str(key_file)]
    model = ["--model", str(tiny_model), "--threshold", "0.9"]
    enrolled = run(
        "gallery", "enroll", file, original, "--name", "Grace", *model[:2], *key, "--actor", "desk"
    )
    assert enrolled.code == 0
    assert run("gallery", "identify", file, original, *model, *key).code == 0
    assert run("identify", original, "--gallery", file, *model, *key).code == 0
    for command in (
        ("remove", file, "Cleo"),
        ("check", file),
        ("expire", file),
        ("backup", file, tmp_path / "copy.db"),
        ("restore", tmp_path / "copy.db", tmp_path / "new.db"),
        ("export", file, "Ann", tmp_path / "ann.zip"),
        ("erase", file, "Ann"),
        ("audit", "list", file),
        ("audit", "head", file),
        ("audit", "verify", file),
        ("audit", "export", file, tmp_path / "audit.jsonl"),
    ):
        assert run("gallery", *command).code == 2, command
        assert run("gallery", *command, *key).code == 0, command
    entries = run("gallery", "audit", "list", file, *key, "--json").json["entries"]
    assert entries[5]["actor"] == "desk"


def test_a_new_gallery_is_sealed_or_says_that_it_is_not(
    run: Run, key_file: Path, original: Path, tiny_model: Path, tmp_path: Path,
    typed: Callable[..., None],
) -> None:  # fmt: skip
    enroll = [original, "--name", "Grace", "--model", tiny_model]
    first = run("gallery", "enroll", tmp_path / "open.db", *enroll)
    assert "open.db is not sealed" in first.err
    assert "is not sealed" not in run("gallery", "enroll", tmp_path / "open.db", *enroll).err
    done = run("gallery", "enroll", tmp_path / "sealed.db", *enroll, "--key", key_file)
    assert (done.code, "is not sealed" in done.err) == (0, False)
    Gallery.open(tmp_path / "sealed.db", key=read_key_file(key_file)).close()
    typed(WORDS, WORDS)
    assert run("gallery", "enroll", tmp_path / "words.db", *enroll, "--passphrase").code == 0
    typed(WORDS)
    assert run("gallery", "list", tmp_path / "words.db", "--passphrase").code == 0


def test_a_passphrase_is_chosen_typed_and_taken_away(
    run: Run, make: Make, typed: Callable[..., None]
) -> None:
    file = make()
    typed(WORDS, WORDS + "!")
    differ = run("gallery", "rekey", file, "--new-passphrase")
    assert (differ.code, "differ" in differ.err) == (2, True)
    typed("short", "short")
    short = run("gallery", "rekey", file, "--new-passphrase")
    assert (short.code, "12 characters" in short.err) == (2, True)
    typed(WORDS, WORDS)
    assert run("gallery", "rekey", file, "--new-passphrase").code == 0
    typed("six other words")
    wrong = run("gallery", "list", file, "--passphrase")
    assert (wrong.code, "not the gallery's passphrase" in wrong.err) == (2, True)
    typed()
    nothing = run("gallery", "list", file, "--passphrase")
    assert (nothing.code, "no terminal" in nothing.err) == (2, True)
    typed(WORDS)
    assert run("gallery", "rekey", file, "--passphrase", "--no-key").code == 0
    assert run("gallery", "list", file).code == 0


def test_a_terminal_is_asked_without_showing(
    run: Run, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make(key=MasterKey.from_passphrase(WORDS))

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return WORDS

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", answer)
    assert run("gallery", "list", file, "--passphrase").code == 0
    assert asked == ["passphrase or recovery key: "]


def test_a_recovery_key_is_shown_once_and_opens(
    run: Run, make: Make, key_file: Path, typed: Callable[..., None], tmp_path: Path
) -> None:
    file = make()
    done = run("gallery", "rekey", file, "--new-key", key_file, "--recovery", "--json")
    shown = done.json["recovery_key"]
    assert (done.json["recovery"], "no recovery key" in done.err) == (True, False)
    key_file.unlink()
    typed(shown.lower())
    assert run("gallery", "check", file, "--passphrase").code == 0
    assert run("gallery", "key", "new", tmp_path / "new.key").code == 0
    typed(shown)
    new = ["--new-key", tmp_path / "new.key"]
    assert run("gallery", "rekey", file, "--passphrase", *new).code == 0
    assert run("gallery", "check", file, "--key", tmp_path / "new.key").code == 0
    plain = run("gallery", "rekey", file, "--key", tmp_path / "new.key", "--recovery")
    assert "recovery key, shown this once: " in plain.out
    mistyped = shown.replace(shown[0], "A" if shown[0] != "A" else "B", 1)
    typed(mistyped)
    assert run("gallery", "check", file, "--passphrase").code == 2


def test_the_gallerys_own_key_is_made_anew_with_the_key_that_it_has(
    run: Run, make: Make, key_file: Path, typed: Callable[..., None]
) -> None:
    file = make()
    done = run("gallery", "rekey", file, "--new-key", key_file, "--recovery", "--json")
    typed(done.json["recovery_key"])
    by_recovery = run("gallery", "rekey", file, "--passphrase", "--deep")
    assert (by_recovery.code, "a recovery key" in by_recovery.err) == (2, True), by_recovery.err
    deep = run("gallery", "rekey", file, "--key", key_file, "--deep")
    assert (deep.code, "opened by the key it had" in deep.out) == (0, True), deep.err
    assert "no recovery key opens the gallery" in deep.err
    assert run("gallery", "check", file, "--key", key_file).code == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "say what is to open the gallery"),
        (["--no-key", "--new-passphrase"], "give one of"),
        (["--no-key", "--recovery"], "--recovery needs a gallery with a key"),
        (["--recovery"], "needs no recovery key"),
        (["--recovery", "--deep"], "--deep needs"),
        (["--no-key", "--key", "x", "--passphrase"], "cannot both open"),
        (["--new-key", "missing.key"], "missing.key cannot be read"),
    ],
)
def test_what_contradicts_itself_is_refused(
    run: Run, make: Make, options: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make()

    def never(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(rekeying, "rekey", never)
    done = run("gallery", "rekey", file, *options)
    assert (done.code, said in done.err) == (2, True), done.err
