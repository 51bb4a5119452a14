import json

import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.core.results import Candidate, Clustering, Identification, Verification
from vultus.core.thresholds import Threshold

THRESHOLD = Threshold(0.0, fmr=0.01, n_impostor=1000, origin="a set")


def test_the_decision_includes_the_threshold_itself_and_zero_is_a_threshold() -> None:
    assert Verification(0.0, THRESHOLD).same_person
    assert not Verification(-0.001, THRESHOLD).same_person
    assert Verification(0.5, THRESHOLD).fmr == 0.01


def test_nobody_passes_means_unknown() -> None:
    near, far = Candidate("Ada", 0.4), Candidate("Bob", -0.3)
    assert Identification((near, far), THRESHOLD, 0.01, 2).identity == "Ada"
    assert Identification((far,), THRESHOLD, 0.01, 2).identity is None
    assert Identification((), THRESHOLD, 0.01, 0).identity is None


def test_a_probe_that_cannot_be_judged_is_unknown() -> None:
    best = (Candidate("Ada", 0.9),)
    assert Identification(best, THRESHOLD, 0.01, 1, refusal=("too dark",)).identity is None


def test_clusters_and_their_members() -> None:
    clustering = Clustering(np.array([0, 1, 0, 2], np.int32), THRESHOLD)
    assert clustering.n_clusters == 3
    assert clustering.members(0).tolist() == [0, 2]
    assert Clustering(np.zeros(0, np.int32), THRESHOLD).n_clusters == 0
    with pytest.raises(InputError, match="labels must be int32"):
        Clustering(np.zeros(3, np.int64), THRESHOLD)


def test_results_are_json() -> None:
    verification = json.loads(json.dumps(Verification(0.25, THRESHOLD).to_dict()))
    assert verification["same_person"] is True
    assert verification["threshold"]["fmr"] == 0.01
    who = Identification((Candidate("Ada", 0.4),), THRESHOLD, 0.01, 1)
    assert json.loads(json.dumps(who.to_dict()))["identity"] == "Ada"
