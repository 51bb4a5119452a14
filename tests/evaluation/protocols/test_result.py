from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.evaluation.protocols.folder import PersonFolder
from vultus.evaluation.protocols.pairs.pairs import pairs
from vultus.evaluation.protocols.result import Evidence


def test_a_folder_gives_every_genuine_pair_once(
    tmp_path: Path, write_person: Callable[..., None], blank: Callable[[Path], None], embed: Any
) -> None:
    for person, photos in enumerate((3, 1, 4)):
        write_person(tmp_path, f"p{person}", person, photos)
    blank(tmp_path / "p0" / "p0_0002.png")
    result = PersonFolder(root=tmp_path, aligned=True).run(embed)
    evidence = result.evidence
    assert evidence is not None
    named = [
        frozenset((evidence.photos[a], evidence.photos[b]))
        for a, b in zip(
            evidence.first[evidence.genuine], evidence.second[evidence.genuine], strict=True
        )
    ]
    assert len(named) == len(set(named)) == 3 + 0 + 6 == result.comparisons.curve.n_genuine
    assert all(len({name.split("/")[0] for name in pair}) == 1 for pair in named)
    genuine = evidence.scores[evidence.genuine]
    assert np.isneginf(genuine).sum() == 2
    assert (~evidence.genuine).sum() == result.comparisons.curve.n_impostor
    assert np.isneginf(evidence.qualities["feature norm"]).sum() == 1


def test_a_verification_set_names_photos_by_number(
    tmp_path: Path, write_bin: Callable[..., Any], embed: Any
) -> None:
    path = tmp_path / "set.bin"
    write_bin(path, people=3)
    evidence = pairs(root=path).run(embed).evidence
    assert evidence is not None
    # Photo 4 k + 2 is the same image as 4 k and keeps the first number.
    assert evidence.photos[evidence.first[0]] == evidence.photos[evidence.first[1]] == "0"
    assert evidence.photos[evidence.second[0]] == "1"


def test_places_beyond_the_photos_are_refused() -> None:
    one = np.array([1], np.int64)
    with pytest.raises(InputError, match="places of the 1 photos"):
        Evidence(("a",), one, one, np.array([True]), np.array([0.5], np.float32))
