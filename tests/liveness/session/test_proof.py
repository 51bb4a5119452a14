import base64
import json

import numpy as np
import pytest
from tests.liveness.session.heads import SPACE, person

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import InputError, QualityError, SpaceMismatchError
from vultus.liveness.session.proof import LiveProof, make_token, read_token

KEY = b"k" * 32


def _proof(**changes: object) -> LiveProof:
    values: dict[str, object] = {"embeddings": person(), "key": KEY, "audience": "door"}
    token = make_token(person(), key=KEY, session="s1", audience="door", now_s=1000)
    return LiveProof(**{"token": token, **values, **changes})  # type: ignore[arg-type]


def test_a_proof_holds_until_it_expires() -> None:
    _proof().check(now_s=1100)
    with pytest.raises(QualityError, match="expired"):
        _proof().check(now_s=1200)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"key": b"x" * 32}, "not signed here"),
        ({"audience": "safe"}, "something else"),
        ({"embeddings": person(1)}, "another person"),
        ({"token": ""}, "not signed here"),
        ({"token": "a.b.c"}, "damaged|not signed here"),
        ({"token": "é.é"}, "damaged|not signed here"),
    ],
)
def test_what_does_not_hold(changes: dict[str, object], why: str) -> None:
    with pytest.raises(QualityError, match=why):
        _proof(**changes).check(now_s=1001)


def test_no_claim_can_be_changed() -> None:
    body, signature = _proof().token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims["expires"] += 10_000
    changed = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    with pytest.raises(QualityError, match="was changed"):
        _proof(token=f"{changed}.{signature}").check(now_s=1001)


def test_a_token_names_its_session_and_no_two_are_alike() -> None:
    tokens = [make_token(person(), key=KEY, session="s1") for _ in range(2)]
    assert tokens[0] != tokens[1]
    told = [read_token(one, key=KEY, audience="", embeddings=person()) for one in tokens]
    assert told == ["s1", "s1"]


def test_likeness_is_that_to_the_mean() -> None:
    both = Embeddings.concatenate([person(0), person(1)])
    proof = _proof(embeddings=both)
    assert proof.likeness(Embeddings.concatenate([person(0), person(2)])) == pytest.approx(
        [0.5**0.5, 0]
    )
    elsewhere = Embeddings(
        person().vectors, np.ones(1, np.float32), EmbeddingSpace("o", "1" * 64, "", 8)
    )
    with pytest.raises(SpaceMismatchError):
        proof.likeness(elsewhere)
    assert SPACE.dim == 8


def test_weak_keys_and_odd_times() -> None:
    with pytest.raises(InputError, match="16 bytes"):
        make_token(person(), key=b"short", session="s")
    with pytest.raises(InputError, match="valid_s"):
        make_token(person(), key=KEY, session="s", valid_s=0)
