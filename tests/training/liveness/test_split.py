"""Nobody is in two parts, every kind is in every part, and what cannot be split is refused."""

from collections import Counter
from pathlib import Path

import pytest

from vultus.core.errors import InputError
from vultus.training.liveness.photos import ListedPhoto
from vultus.training.liveness.recipe import PhotoConfig
from vultus.training.liveness.split import PARTS, split_photos


def photos(**people: str) -> list[ListedPhoto]:
    """Ten photos of each letter of each kind."""
    return [
        ListedPhoto(Path(f"{kind}/{who}/{n}"), kind, who)
        for kind, letters in people.items()
        for who in letters
        for n in range(10)
    ]


CONFIG = PhotoConfig(min_photos=10)


@pytest.mark.parametrize("seed", range(5))
def test_people_stay_together_and_kinds_are_everywhere(seed: int) -> None:
    listed = photos(live="abcdefghijklmnopqrst", print="abcdefghij", mask="xyz")
    parts = split_photos(listed, CONFIG, seed=seed)
    of = {(photo.group, part) for photo, part in zip(listed, parts, strict=True)}
    assert len(of) == 23
    found = Counter((photo.kind, part) for photo, part in zip(listed, parts, strict=True))
    assert set(found) == {(kind, part) for kind in ("live", "print", "mask") for part in PARTS}
    assert found["live", "train"] > found["live", "setting"]
    assert split_photos(listed, CONFIG, seed=seed) == parts


def test_another_seed_another_split() -> None:
    listed = photos(live="abcdefghij", print="abcdefghij")
    assert len({tuple(split_photos(listed, CONFIG, seed=seed)) for seed in range(5)}) > 1


@pytest.mark.parametrize(
    ("listed", "config", "words"),
    [
        (photos(live="abc", print="abc"), PhotoConfig(), None),
        (photos(live="abc", print="ab"), CONFIG, r"attack/print/ must have photos of 3 people"),
        (photos(live="ab", print="abc"), CONFIG, r"live/ must have photos of 3 people"),
        (photos(live="abc", print="ab"), PhotoConfig(), "attack/print/ must have 30 photos"),
        (photos(live="abcdefghi", print="abc"), PhotoConfig(max_ratio=2), "90 living .* 30 att"),
        (photos(live="acd", print="abc", mask="abd"), CONFIG, "no split has photos of"),
    ],
)
def test_what_cannot_be_split_is_refused(
    listed: list[ListedPhoto], config: PhotoConfig, words: str | None
) -> None:
    if words is None:
        assert set(split_photos(listed, config, seed=0)) == set(PARTS)
        return
    with pytest.raises(InputError, match=words):
        split_photos(listed, config, seed=0)
