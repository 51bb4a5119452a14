"""Committees: several embedders whose unit vectors, joined with weights, are one embedding.

A committee is named by its members: ``vultus-s2+dlib-resnet``, or with weights of one's own
``vultus-s2@3+dlib-resnet@1``. Its card is made of theirs.
"""

import hashlib
import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from vultus.core.errors import InputError
from vultus.core.thresholds import Threshold, ThresholdTable
from vultus.models.cards import Licence, ModelCard
from vultus.models.names import is_committee, is_committee_name

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Member:
    """One of a committee.

    Attributes:
        name: Of a model in the store.
        weight: Its share of the similarity, in (0, 1); a committee's sum to 1.
    """

    name: str
    weight: float


@dataclass(frozen=True, slots=True, eq=False)
class KnownCommittee:
    """A committee whose weights and thresholds were measured.

    Attributes:
        weights: By member, in the order of the committee's name.
        thresholds: At these weights.
        notes: What else one should know.
    """

    weights: Mapping[str, float]
    thresholds: ThresholdTable
    notes: str


@cache
def known_committees() -> Mapping[str, KnownCommittee]:
    """The committees that come with Vultus, by name; read once."""
    found: dict[str, KnownCommittee] = {}
    folder = files("vultus.models").joinpath("committees")
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            values = tomllib.loads(file.read_text(encoding="utf-8"))
            points = tuple(Threshold(**point) for point in values["thresholds"])
            known = KnownCommittee(values["weights"], ThresholdTable(points), values["notes"])
            found["+".join(known.weights)] = known
    return MappingProxyType(found)


def parse_committee(name: str) -> tuple[Member, ...]:
    """The members of a committee, in one order.

    The order of names says nothing: the same members and weights are the same committee. Without
    weights they are those that were measured, else equal.

    Raises:
        InputError: If it is no such name, a member comes twice, or a weight cannot be.
    """
    if not is_committee_name(name):
        raise InputError(
            "a committee must be 2 to 8 names of models with + between them, and weights, if any, "
            f"after @ (vultus-s2+dlib-resnet, vultus-s2@3+dlib-resnet@1), got {name!r}"
        )
    parts = [part.partition("@") for part in name.split("+")]
    names = [part[0] for part in parts]
    if len(set(names)) < len(names):
        twice = next(member for member in names if names.count(member) > 1)
        raise InputError(f"the members of a committee must differ, got {twice!r} twice in {name!r}")
    given = [part[2] for part in parts]
    weights = _measured(names) if not any(given) else [_weight(text, name) for text in given]
    members = [Member(*pair) for pair in zip(names, _shares(weights, names, name), strict=True)]
    order = _order(names)
    return tuple(sorted(members, key=lambda member: order.index(member.name)))


def committee_name(members: Sequence[Member]) -> str:
    """The one name of these members: with weights only where they are not the usual ones."""
    names = [member.name for member in members]
    usual = _shares(_measured(names), names, "+".join(names))
    if [member.weight for member in members] == usual:
        return "+".join(names)
    return "+".join(f"{member.name}@{_digits(member)}" for member in members)


def one_name(name: str) -> str:
    """A model's name as it is; a committee's, whose members may come in any order, as one.

    Raises:
        InputError: As `parse_committee`.
    """
    return committee_name(parse_committee(name)) if is_committee(name) else name


def committee_card(members: Sequence[Member], cards: Sequence[ModelCard]) -> ModelCard:
    """The card of a committee: what all of its members allow and need.

    Args:
        members: As `parse_committee` gives them.
        cards: Theirs, in the same order.

    Returns:
        A card without a file. Its digest is that of the members' digests and weights, and its
        least norm 1: norms of a committee count in the members' least norms.

    Raises:
        InputError: If a member is no embedder, or takes crops of another template than the first.
    """
    _check_fit_together(cards)
    name = committee_name(members)
    known = known_committees().get(name)
    sizes = [card.size_bytes for card in cards]
    return ModelCard(
        name=name,
        task="embedding",
        description=_joined(cards, [f"{m.weight:.0%}" for m in members], " + "),
        file_name=f"{name}.onnx",
        sha256=_digest(members, cards),
        licence=Licence(
            name=_joined(cards, [card.licence.name for card in cards]),
            commercial_use=all(card.licence.commercial_use for card in cards),
            source=_joined(cards, [card.licence.source for card in cards]),
        ),
        size_bytes=None if None in sizes else sum(size for size in sizes if size is not None),
        training_data=_joined(cards, [card.training_data for card in cards]),
        template=cards[0].template,
        embedding_dim=sum(card.embedding_dim * (1 + (card.flip == "concat")) for card in cards),
        min_norm=1.0 if any(card.min_norm for card in cards) else 0.0,
        layout="unit vectors side by side, each times the root of its weight; no file of its own",
        verified=all(card.verified for card in cards),
        notes="Weights are equal: nobody has measured others." if known is None else known.notes,
        thresholds=ThresholdTable() if known is None else known.thresholds,
    )


def _known(names: Sequence[str]) -> KnownCommittee | None:
    found = (known for known in known_committees().values() if set(known.weights) == set(names))
    return next(found, None)


def _order(names: Sequence[str]) -> list[str]:
    """As a known committee has them, else by the alphabet."""
    known = _known(names)
    return sorted(names) if known is None else list(known.weights)


def _measured(names: Sequence[str]) -> list[float]:
    known = _known(names)
    return [1.0] * len(names) if known is None else [known.weights[name] for name in names]


def _weight(text: str, name: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = 0.0
    if not 0 < weight < math.inf:
        raise InputError(
            "every member of a committee must have a weight above 0, or none of them: "
            f"got {text!r} in {name!r}"
        )
    return weight


def _shares(weights: Sequence[float], names: Sequence[str], name: str) -> list[float]:
    """Weights as whole millionths that sum to 1, so that a name read again is the same."""
    total = math.fsum(weights)
    millionths = [round(weight / total * _MILLION) for weight in weights]
    heaviest = min(range(len(names)), key=lambda i: (-weights[i], names[i]))
    millionths[heaviest] += _MILLION - sum(millionths)
    if min(millionths) < 1:
        raise InputError(f"no weight of a committee may be below a millionth of all: {name!r}")
    return [share / _MILLION for share in millionths]


def _check_fit_together(cards: Sequence[ModelCard]) -> None:
    for card in cards:
        if card.task != "embedding":
            raise InputError(
                f"a member of a committee must be an embedding model, {card.name!r} is one of "
                f"{card.task}"
            )
        if card.template != cards[0].template:
            raise InputError(
                "the members of a committee must take crops of one template, "
                f"{cards[0].name!r} takes {cards[0].template}, {card.name!r} {card.template}"
            )


def _digest(members: Sequence[Member], cards: Sequence[ModelCard]) -> str:
    parts: list[Any] = [
        [card.sha256, _digits(member)] for member, card in zip(members, cards, strict=True)
    ]
    return hashlib.sha256(json.dumps(sorted(parts)).encode()).hexdigest()


def _digits(member: Member) -> str:
    return f"{member.weight:.6f}".rstrip("0")


def _joined(cards: Sequence[ModelCard], texts: Sequence[str], between: str = "; ") -> str:
    return between.join(f"{card.name} {text}" for card, text in zip(cards, texts, strict=True))
