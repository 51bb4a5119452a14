import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from vultus.evaluation.measures.intervals import Interval
from vultus.evaluation.protocols.figures import (
    OpenSetFigures,
    ProtocolExtras,
    RankFigures,
    VerificationTrials,
    to_json,
)
from vultus.evaluation.protocols.folder import PersonFolder

ENDS = {"low": 0.1, "high": 0.2, "level": 0.95, "method": "Wilson"}


def test_figures_of_other_protocols_are_left_out_and_unmeasured_ones_are_null() -> None:
    assert to_json(ProtocolExtras(n_people=3)) == {"n_people": 3}
    extras = ProtocolExtras(n_people=3, unmeasured=("identification",))
    assert to_json(extras) == {"n_people": 3, "identification": None}


def test_a_threshold_that_nobody_reaches_is_null_and_those_of_galleries_have_names() -> None:
    row = OpenSetFigures(target_fpir=0.1, fpir=0.0, fnir=1.0)
    assert to_json(row) == {"target_fpir": 0.1, "fpir": 0.0, "fnir": 1.0, "threshold": None}
    several = OpenSetFigures(
        target_fpir=0.1, fpir=0.0, fnir=1.0, thresholds={"G1": None, "G2": 0.4}
    )
    assert to_json(several)["thresholds"] == {"G1": None, "G2": 0.4}
    assert "threshold" not in to_json(several)


def test_arrays_tuples_and_intervals_become_plain_values() -> None:
    told = to_json({"5": RankFigures(0.15, Interval(0.1, 0.2)), "x": (np.arange(2), [None])})
    assert told == {"5": {"rate": 0.15, "interval": ENDS}, "x": [[0, 1], [None]]}
    json.dumps(told)


def test_rates_over_trials_have_names() -> None:
    trials = VerificationTrials(
        mean=0.5, std=None, mean_minus_std=None, interval=Interval(0.1, 0.2), thresholds=(None,),
        far=0.01, tar=(0.5,), n_genuine=(4,), n_impostor=(300,),
    )  # fmt: skip
    assert list(ProtocolExtras(verification=trials).over_trials()) == [("TAR", "FAR", 0.01, trials)]
    assert to_json(trials)["std"] is None


def test_one_table_holds_all_figures_of_a_protocol(
    tmp_path: Path, write_person: Callable[..., None], embed: Any
) -> None:
    for person in range(2):
        write_person(tmp_path, f"p{person}", person, 2)
    result = PersonFolder(root=tmp_path, aligned=True).run(embed)
    told = result.to_dict()
    assert list(told)[:3] == ["protocol", "model", "accuracy"]
    assert told["n_genuine"] == 2
    assert told["n_people"] == 2
    assert told["model"] == result.space.to_dict()
    assert told == json.loads(json.dumps(told))
