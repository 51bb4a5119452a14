"""Which threshold, and who is left to check it."""

import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.pipeline.measuring.attack_threshold import (
    LivenessSettings,
    Seen,
    choose_threshold,
    scores_of,
)


def seen(*scores: float, people: str | None = None) -> list[Seen]:
    """Photos, without people or one person a letter."""
    owners = [None] * len(scores) if people is None else list(people)
    return [Seen(who, score, None) for who, score in zip(owners, scores, strict=True)]


def test_by_apcer_the_worst_species_sets_it() -> None:
    attacks = {
        "print": seen(0.1, 0.9, 0.2, 0.9, 0.3, 0.9),
        "screen": seen(0.5, 0.6, 0.1, 0.2, 0.1, 0.2),
    }
    found = choose_threshold(seen(0.9), attacks, LivenessSettings(apcer=0.0), in_use=0.5)
    assert found.score == np.nextafter(0.5, 1)
    assert scores_of(found.attacks["screen"]).tolist() == [0.6, 0.2, 0.2]
    assert scores_of(found.attacks["print"]).tolist() == [0.9, 0.9, 0.9]
    assert (found.n_set_on, found.words) == (6, ", set on 6 other attacks")
    assert scores_of(found.live).tolist() == [0.9]


def test_nobody_sets_a_threshold_and_checks_it() -> None:
    attacks = {
        "print": seen(*np.arange(6) / 10, people="aabbcc"),
        "screen": seen(*np.arange(4) / 10, people="bbcc"),
        "mask": seen(0.1, 0.2, people="ca"),
    }
    found = choose_threshold(seen(0.9), attacks, LivenessSettings(apcer=0.0), in_use=0.5)
    checking = {one.person for rest in found.attacks.values() for one in rest}
    setting = {
        one.person
        for name, photos in attacks.items()
        for one in photos
        if one not in found.attacks[name]
    }
    assert checking | setting == {"a", "b", "c"}
    assert not checking & setting


def test_an_upper_bound_takes_attacks_enough() -> None:
    asked = LivenessSettings(apcer=0.05, upper_bound=True)
    many = {"print": seen(*np.linspace(0, 0.9, 400))}
    by_rate = choose_threshold(seen(0.9), many, LivenessSettings(apcer=0.05), in_use=0.5)
    by_bound = choose_threshold(seen(0.9), many, asked, in_use=0.5)
    assert by_bound.score > by_rate.score
    with pytest.raises(InputError, match=r"of which none passes up to 10\.0% may; 60 would do"):
        choose_threshold(seen(0.9), {"print": seen(*[0.1] * 60)}, asked, in_use=0.5)


@pytest.mark.parametrize(
    ("attacks", "words"),
    [
        ({"print": seen(0.1)}, "species 'print' to set it on and others"),
        ({"print": seen(0.1, float("nan"))}, "species 'print' to set it on and others"),
        ({"print": seen(0.1, 0.2, people="aa")}, "of other people, to check it, got 2"),
        ({"print": seen(1.0, 0.2)}, "no threshold keeps the APCER to 0"),
    ],
)
def test_too_little_is_refused(attacks: dict[str, list[Seen]], words: str) -> None:
    with pytest.raises(InputError, match=words):
        choose_threshold(seen(0.9), attacks, LivenessSettings(apcer=0.0), in_use=0.5)


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(InputError, match="not both"):
        LivenessSettings(bpcer=0.1, apcer=0.1)
    with pytest.raises(InputError, match="give the APCER, too"):
        LivenessSettings(bpcer=0.1, upper_bound=True)
    with pytest.raises(InputError, match="apcer"):
        LivenessSettings(apcer=1.0)
