import math
from collections.abc import Callable
from pathlib import Path

import pytest

from vultus.core.errors import (
    InputError,
    LicenceError,
    ModelError,
    ModelNotFoundError,
    RegistryError,
)
from vultus.models.cards import ModelCard
from vultus.models.committee import (
    Member,
    committee_card,
    committee_name,
    known_committees,
    parse_committee,
)
from vultus.models.store import ModelStore

MakeCard = Callable[..., ModelCard]
PAIR = (Member("a", 0.75), Member("b", 0.25))


@pytest.mark.parametrize(
    ("name", "members", "canonical"),
    [
        ("b+a", [("a", 0.5), ("b", 0.5)], "a+b"),
        ("a@1+b@1", [("a", 0.5), ("b", 0.5)], "a+b"),
        ("b@3+a@1", [("a", 0.25), ("b", 0.75)], "a@0.25+b@0.75"),
        ("c+a+b", [("a", 1 / 3), ("b", 1 / 3), ("c", 1 / 3)], "a+b+c"),
        ("a@2+b@.5+c@.5", [("a", 2 / 3), ("b", 1 / 6), ("c", 1 / 6)], None),
    ],
)
def test_names_and_weights_are_read(
    name: str, members: list[tuple[str, float]], canonical: str | None
) -> None:
    found = parse_committee(name)
    assert [member.name for member in found] == [member for member, _ in members]
    assert [m.weight for m in found] == pytest.approx([w for _, w in members], abs=1e-6)
    assert math.fsum(m.weight for m in found) == pytest.approx(1, abs=1e-12)
    again = committee_name(found)
    assert canonical in (None, again)
    assert committee_name(parse_committee(again)) == again


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a+a", "must differ, got 'a' twice"),
        ("a@1+a@2", "must differ, got 'a' twice"),
        ("a+", "2 to 8 names"),
        ("+a", "2 to 8 names"),
        ("a+b/c", "2 to 8 names"),
        ("A+b", "2 to 8 names"),
        ("+".join("abcdefghi"), "2 to 8 names"),
        ("a@1+b", "every member .* weight above 0"),
        ("a@0+b@1", "every member .* weight above 0"),
        ("a@1.2.3+b@1", "every member .* weight above 0"),
        ("a@-1+b@1", "2 to 8 names"),
        ("a@1+b@.0000001", "below a millionth"),
        ("a" * 64 + "+" + "b" * 64 + "+" + "c" * 64 + "+" + "d" * 64, "2 to 8 names"),
    ],
)
def test_what_is_no_committee_is_refused_in_one_line(name: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as error:
        parse_committee(name)
    assert "\n" not in str(error.value)


def test_the_card_is_made_of_the_members(make_card: MakeCard) -> None:
    research = {"name": "Research only", "commercial_use": False, "source": "them"}
    a = make_card(b"a", name="a", embedding_dim=4, flip="concat", min_norm=8.0)
    b = make_card(b"b", name="b", embedding_dim=16, licence=research)
    card = committee_card(PAIR, [a, b])
    assert card.name == "a@0.75+b@0.25"
    assert card.embedding_dim == 2 * 4 + 16
    assert card.template == a.template
    assert card.licence.name == "a MIT; b Research only"
    assert not card.licence.commercial_use
    assert card.min_norm == 1.0
    assert card.size_bytes == 2
    assert not card.thresholds.points
    assert committee_card(PAIR, [a, make_card(b"b", name="b")]).licence.commercial_use
    assert ModelCard.from_toml(card.to_toml()) == card


def test_the_digest_says_who_is_in_it_and_how_much(make_card: MakeCard) -> None:
    a, b, c = (make_card(name.encode(), name=name) for name in "abc")
    both = committee_card(PAIR, [a, b]).sha256
    swapped = committee_card((Member("b", 0.25), Member("a", 0.75)), [b, a]).sha256
    assert both == swapped
    assert both != committee_card((Member("a", 0.7), Member("b", 0.3)), [a, b]).sha256
    assert both != committee_card((Member("a", 0.75), Member("c", 0.25)), [a, c]).sha256


def test_members_must_fit_together(make_card: MakeCard) -> None:
    a = make_card(b"a", name="a")
    other = make_card(b"b", name="b", template="facenet-160")
    with pytest.raises(InputError, match="'a' takes arcface-112, 'b' facenet-160"):
        committee_card(PAIR, [a, other])
    detector = make_card(b"b", name="b", task="detection", decoder="yunet")
    with pytest.raises(InputError, match="'b' is one of detection"):
        committee_card(PAIR, [a, detector])


@pytest.mark.parametrize("name", list(known_committees()))
def test_known_committees_are_whole(name: str) -> None:
    known = known_committees()[name]
    assert math.fsum(known.weights.values()) == pytest.approx(1)
    assert committee_name(parse_committee(name)) == name
    card = ModelStore().card("+".join(reversed(name.split("+"))))
    assert card.name == name
    assert card.thresholds == known.thresholds
    rates = [point.fmr for point in known.thresholds.points]
    assert len(rates) >= 3
    weights = "+".join(f"{member}@{weight}" for member, weight in known.weights.items())
    assert ModelStore().card(weights).name == name
    assert not ModelStore().card("+".join(f"{m}@1" for m in known.weights) + "").thresholds.points


class TestStore:
    def test_a_committee_has_a_card_and_no_file(self) -> None:
        store = ModelStore()
        name = "sphere20+sphere36"
        assert store.card(name).embedding_dim == 1024
        assert store.find(name) is None
        assert store.place(name) is None
        assert name not in store.names()
        for way in (store.path, store.fetch, store.pull, store.verify):
            with pytest.raises(ModelError, match=r"has no file of its own.*sphere20 sphere36"):
                way(name)

    def test_its_calibration_is_found_and_removed_in_any_order_of_names(
        self, tmp_path: Path
    ) -> None:
        store = ModelStore(tmp_path)
        path = store.calibration_path("sphere36+sphere20")
        assert path == store.calibration_path("sphere20+sphere36")
        path.parent.mkdir()
        path.write_text("{}")
        store.remove("sphere36+sphere20")
        assert not path.parent.exists()
        with pytest.raises(ModelNotFoundError, match=r"'sphere20\+sphere36' is not in the store"):
            store.remove("sphere36+sphere20")

    def test_an_unknown_member_is_named(self) -> None:
        with pytest.raises(RegistryError, match="no 'vultus-s9'"):
            ModelStore().card("sphere20+vultus-s9")

    def test_the_policy_judges_all_members(self) -> None:
        store = ModelStore(policy="commercial-only")
        with pytest.raises(LicenceError, match=r"sface-2021dec.*sphere20"):
            store.check_policy(store.card("sface-2021dec+sphere20"))
        store.check_policy(store.card("sface-2021dec+sface-2021dec-int8"))
