from pathlib import Path

import pytest

from vultus.server.access import KeyRing, Role
from vultus.server.sessions import Sessions

HOUR = 3600.0


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def keys(tmp_path: Path) -> KeyRing:
    return KeyRing(tmp_path / "keys.json")


def test_a_session_stands_for_its_key_until_it_is_ended(keys: KeyRing) -> None:
    sessions, (key, _) = Sessions(keys), keys.add(Role.operator, ["staff"])
    token, session = sessions.begin(key)
    found = sessions.find(token)
    assert found is not None
    assert found[1] == key
    assert found[0].csrf == session.csrf
    assert sessions.find(token[:-1]) is None
    assert sessions.find("") is None
    sessions.end(token)
    assert sessions.find(token) is None


def test_a_session_ends_by_itself(keys: KeyRing) -> None:
    clock = Clock()
    sessions, (key, _) = Sessions(keys, hours=2, clock=clock), keys.add(Role.reader)
    idle, _ = sessions.begin(key)
    used, _ = sessions.begin(key)
    clock.now = 0.9 * HOUR
    assert sessions.find(used) is not None
    clock.now = 1.1 * HOUR
    assert sessions.find(idle) is None
    assert sessions.find(used) is not None
    clock.now = 2 * HOUR
    assert sessions.find(used) is None


def test_a_key_taken_back_ends_its_sessions_and_no_other(keys: KeyRing) -> None:
    sessions = Sessions(keys)
    gone, stays = keys.add(Role.admin)[0], keys.add(Role.admin)[0]
    tokens = [sessions.begin(gone)[0], sessions.begin(gone)[0], sessions.begin(stays)[0]]
    keys.remove(gone.id)
    assert [sessions.find(token) is not None for token in tokens] == [False, False, True]


def test_another_key_of_the_same_id_does_not_take_a_session_over(keys: KeyRing) -> None:
    sessions = Sessions(keys)
    keys.admit("a" * 40)
    before = keys.get("admin")
    assert before is not None
    token, _ = sessions.begin(before)
    keys.admit("b" * 40)
    assert sessions.find(token) is None


def test_the_session_that_waited_longest_gives_way(
    keys: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vultus.server.sessions.MOST_SESSIONS", 2)
    clock = Clock()
    sessions, (key, _) = Sessions(keys, clock=clock), keys.add(Role.reader)
    tokens = []
    for clock.now in (1, 2, 3):
        tokens.append(sessions.begin(key)[0])
        clock.now += 0.5
        sessions.find(tokens[0])
    assert [sessions.find(token) is not None for token in tokens] == [True, False, True]


def test_attempts_are_counted_by_address(keys: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vultus.server.sessions._MOST_ADDRESSES", 2)
    clock = Clock()
    sessions = Sessions(keys, attempts_per_minute=2, clock=clock)
    assert [sessions.attempt("a") for _ in range(3)] == [0, 0, 30]
    assert sessions.attempt("b") == 0
    clock.now = 30
    assert sessions.attempt("a") == 0
    sessions.attempt("c")  # what is kept of addresses does not grow without end
    assert len(sessions._attempts) <= 2
