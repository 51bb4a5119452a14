"""Plants errors in a data set, so that one can see how many of them an audit finds."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from benchmarks.planted.altered import altered_copy
from benchmarks.planted.planted import Key, Planted

from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.data.base import FaceDataset
from vultus.data.formats.writers import image_ending
from vultus.image.encode import encoded


@dataclass(frozen=True, slots=True)
class PlantingRates:
    """How much is planted, as shares in [0, 1].

    Attributes:
        wrong_label: Images whose labels are swapped in pairs.
        stranger: Images of people who have no identity in the data set.
        duplicate: Files copied, a third of them into another identity.
        near_duplicate: Images copied with other bytes, a third of them into another identity.
        non_face: Images that show no face.
        unreadable: Files cut short.
        merge: Identities divided in two, for the audit to merge.
        split: Pairs of identities put under one label, for the audit to split.
    """

    wrong_label: float = 0.04
    stranger: float = 0.015
    duplicate: float = 0.015
    near_duplicate: float = 0.015
    non_face: float = 0.01
    unreadable: float = 0.005
    merge: float = 0.05
    split: float = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class _Item:
    """An image on its way: what it is, and whom it is given to."""

    identity: str
    data: bytes
    role: str = ""
    home: str = ""
    original: int = -1
    second: bool = False


@dataclass(slots=True)
class _Draft:
    """The planted set as it grows; ``free`` are the items nothing was done to yet."""

    items: list[_Item]
    generator: np.random.Generator
    free: list[int] = field(default_factory=list)

    def take(self, count: int) -> list[int]:
        """Some clean items, each given out once."""
        if count > len(self.free):
            raise InputError(f"{count} more clean images are needed, there are {len(self.free)}")
        taken, self.free = self.free[:count], self.free[count:]
        return taken

    def other_identity(self, identity: str) -> str:
        """Any other identity that is neither divided nor of two people."""
        while True:
            item = self.items[self.free[int(self.generator.integers(len(self.free)))]]
            if item.identity != identity:
                return item.identity


def plant(
    dataset: FaceDataset,
    root: Path,
    *,
    identities: int,
    part: int | None = None,
    seed: int = 0,
    least: int = 4,
    most: int = 20,
    non_faces: Sequence[Image] = (),
    rates: PlantingRates | None = None,
) -> Planted:
    """Write a part of a data set as a folder of identities, with errors.

    Args:
        dataset: Crops with identities.
        root: The new folder.
        identities: How many identities to take at most; some more provide the strangers.
        part: 0 or 1 for the even or odd identities only, None for all: so that rules can be chosen
            on one half and reported on the other.
        seed: Of everything that is drawn.
        least: Only identities with as many images.
        most: Images taken of each.
        non_faces: Pictures without a face, of the crops' size.
        rates: How much is planted.

    Raises:
        InputError: If the data set is too small for what is to be planted.
        ImageError: If an image cannot be read.
    """
    shares = PlantingRates() if rates is None else rates
    generator = np.random.default_rng(seed)
    chosen = _chosen(dataset, part=part, least=least, generator=generator)
    n_strangers = max(len(chosen) // 12, 1)
    strangers, chosen = chosen[:n_strangers], chosen[n_strangers:][:identities]
    draft = _Draft([], generator)
    touched = _plant_identities(draft, dataset, chosen, shares, most)
    n = len(draft.items)
    draft.free = generator.permutation(
        [i for i, item in enumerate(draft.items) if item.identity not in touched]
    ).tolist()
    _swap(draft, round(n * shares.wrong_label / 2))
    _copy(draft, round(n * shares.duplicate), near=False)
    _copy(draft, round(n * shares.near_duplicate), near=True)
    for index in draft.take(round(n * shares.unreadable)):
        item = draft.items[index]
        cut = item.data[: max(len(item.data) // 3, 40)]
        draft.items[index] = replace(item, data=cut, role="unreadable")
    foreign = [int(i) for label in strangers for i in np.flatnonzero(dataset.labels == label)]
    for index in generator.permutation(foreign)[: round(n * shares.stranger)]:
        _add(draft, dataset.encoded(int(index)), "stranger")
    for picture in list(non_faces)[: round(n * shares.non_face)]:
        _add(draft, encoded(picture, ".png"), "non_face")
    return _write(draft, root, touched)


def _chosen(
    dataset: FaceDataset, *, part: int | None, least: int, generator: np.random.Generator
) -> list[int]:
    counts = np.bincount(dataset.labels[dataset.labels >= 0], minlength=len(dataset.identities))
    labels = np.flatnonzero(counts >= least)
    if part is not None:
        labels = labels[labels % 2 == part]
    if len(labels) < 8:
        raise InputError(f"{least} images of 8 identities are needed, got {len(labels)} identities")
    shuffled: list[int] = generator.permutation(labels).tolist()
    return shuffled


def _plant_identities(
    draft: _Draft,
    dataset: FaceDataset,
    chosen: Sequence[int],
    shares: PlantingRates,
    most: int,
) -> dict[str, str]:
    """Fill in the identities, some divided, some two under one label; these by name."""
    n_divided, n_joined = (round(share * len(chosen)) for share in (shares.merge, shares.split))
    divided = chosen[:n_divided]
    joined = chosen[n_divided : n_divided + 2 * n_joined]
    partner = dict(zip(joined[1::2], joined[::2], strict=False))
    touched: dict[str, str] = {}
    for label in chosen:
        rows = np.flatnonzero(dataset.labels == label)
        rows = draft.generator.permutation(rows)[:most]
        name = dataset.identities[label]
        if label in partner:
            name = dataset.identities[partner[label]]
            touched[name] = "split"
        for place, row in enumerate(rows.tolist()):
            identity = f"{name}-b" if label in divided and place < len(rows) // 2 else name
            draft.items.append(_Item(identity, dataset.encoded(row), second=label in partner))
            if label in divided:
                touched[identity] = "merge"
    return touched


def _swap(draft: _Draft, pairs: int) -> None:
    taken = draft.take(2 * pairs)
    for a, b in zip(taken[::2], taken[1::2], strict=True):
        first, second = draft.items[a], draft.items[b]
        if first.identity == second.identity:
            continue
        for index, item, other in ((a, first, second), (b, second, first)):
            draft.items[index] = replace(
                item, identity=other.identity, role="wrong_label", home=item.identity
            )


def _copy(draft: _Draft, count: int, *, near: bool) -> None:
    role = "near_duplicate" if near else "duplicate"
    for place, index in enumerate(draft.take(count)):
        item = draft.items[index]
        data = altered_copy(item.data, draft.generator) if near else item.data
        to = item.identity if place % 3 else draft.other_identity(item.identity)
        draft.items.append(_Item(to, data, role, home=item.identity, original=index))


def _add(draft: _Draft, data: bytes, role: str) -> None:
    draft.items.append(_Item(draft.other_identity(""), data, role))


def _write(draft: _Draft, root: Path, touched: dict[str, str]) -> Planted:
    names: dict[int, str] = {}
    counts: Counter[str] = Counter()
    for index in draft.generator.permutation(len(draft.items)).tolist():
        item = draft.items[index]
        counts[item.identity] += 1
        ending = image_ending(item.data, "a planted image")
        names[index] = f"{item.identity}/{counts[item.identity]:03}{ending}"
        path = root / names[index]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(item.data)
    truth: dict[str, set[Key]] = {}
    planted = Planted(truth, {}, touched, {}, {}, set())
    for index, item in enumerate(draft.items):
        if touched.get(item.identity) == "split":
            couple = planted.couples.setdefault(item.identity, (set(), set()))
            couple[item.second].add(names[index])
        if not item.role:
            continue
        planted.roles[names[index]] = item.role
        pair = {names[index], names.get(item.original, "")}
        key = frozenset(pair) if item.original >= 0 else names[index]
        truth.setdefault(item.role, set()).add(key)
        if item.role == "wrong_label":
            planted.homes[names[index]] = item.home
        elif item.original >= 0 and item.identity != item.home:
            planted.misplaced.add(names[index])
    for name, role in touched.items():
        if role == "split":
            truth.setdefault("split", set()).add(name)
        elif f"{name}-b" in touched:
            truth.setdefault("merge", set()).add(frozenset((name, f"{name}-b")))
    return planted
