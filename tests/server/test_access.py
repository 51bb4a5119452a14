from pathlib import Path

import pytest

from vultus.core.errors import ConfigError, InputError
from vultus.server.access import KeyRing, RateLimit, Role, read_or_make_admin_key


def test_a_key_is_found_again_and_its_text_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key, text = KeyRing(path).add(Role.operator, ["staff"])
    again = KeyRing(path).find(text)
    assert again == key
    assert text not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert KeyRing(path).find(text[:-1]) is None


def test_a_key_taken_back_opens_nothing(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys.json")
    key, text = ring.add(Role.reader)
    assert ring.remove(key.id)
    assert not ring.remove(key.id)
    assert ring.find(text) is None
    assert KeyRing(tmp_path / "keys.json").find(text) is None


@pytest.mark.parametrize("held", list(Role))
@pytest.mark.parametrize("asked", list(Role))
def test_a_role_may_do_what_those_below_may(tmp_path: Path, held: Role, asked: Role) -> None:
    key, _ = KeyRing(tmp_path / "keys.json").add(held, ["staff"])
    assert key.allows(asked, "staff") == (held >= asked)
    assert not key.allows(asked, "others")


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '[{"id": "a"}]', "[", '[{"id":"a","role":"x","galleries":null}]']
)
def test_what_is_no_list_of_keys_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match="must be the list of keys"):
        KeyRing(path)


def test_the_file_of_the_administrator_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "admin.key"
    text = read_or_make_admin_key(path)
    assert read_or_make_admin_key(path) == text
    assert path.stat().st_mode & 0o777 == 0o600
    ring = KeyRing(tmp_path / "keys.json")
    ring.admit(text)
    found = ring.find(text)
    assert found is not None
    assert found.role == "admin"
    ring.add(Role.reader)
    assert len(KeyRing(tmp_path / "keys.json")) == 1  # the administrator's is not written here
    with pytest.raises(InputError, match="32 characters"):
        ring.admit("short")


def test_a_key_may_ask_so_often_a_minute() -> None:
    now = [0.0]
    rates = RateLimit(2, clock=lambda: now[0])
    assert [rates.wait_s("a") for _ in range(3)] == [0, 0, 30]
    assert rates.wait_s("b") == 0
    now[0] = 30
    assert rates.wait_s("a") == 0
    assert rates.wait_s("a") == 30
