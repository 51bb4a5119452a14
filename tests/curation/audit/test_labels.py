"""Judging labels by vectors whose true people are known."""

import numpy as np
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import CalibrationError
from vultus.core.thresholds import Threshold, ThresholdTable
from vultus.curation.audit.audit_thresholds import AuditThresholds, audit_thresholds, measured_table
from vultus.curation.audit.identity_groups import (
    IdentityGroups,
    alike_identities,
    group_identities,
    halves_ratio,
)
from vultus.curation.audit.labels import LabelFaults, label_faults

DIM = 32
SPACE = EmbeddingSpace("toy", "0" * 64, "none", DIM)
RULES = AuditThresholds(Threshold(0.4), Threshold(0.25), Threshold(0.6), 0.01)


def of_people(truth: list[int], *, seed: int = 0, noise: float = 0.12) -> Embeddings:
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(max(truth) + 1, DIM))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    rows = centres[truth] + noise * generator.normal(size=(len(truth), DIM))
    return Embeddings.from_raw(rows, SPACE)


def judged(truth: list[int], labels: list[int]) -> tuple[LabelFaults, IdentityGroups, Embeddings]:
    faces = of_people(truth)
    groups = group_identities(
        faces, np.array(labels), n_identities=max(labels) + 1, threshold=RULES.same
    )
    return label_faults(faces.vectors, groups, RULES, merged=set()), groups, faces


def test_a_swapped_label_goes_home() -> None:
    labels = [0] * 5 + [1] * 5
    labels[2], labels[7] = 1, 0
    faults, _, _ = judged([0] * 5 + [1] * 5, labels)
    assert faults.moves.tolist() == [2, 7]
    assert faults.others.labels[[2, 7]].tolist() == [0, 1]
    assert not len(faults.strangers)
    assert not faults.splits


def test_an_image_outside_of_the_core_that_is_more_like_its_own_identity_stays() -> None:
    axes = np.eye(DIM)
    own = [axes[0] + 0.05 * axes[2 + n] for n in range(4)]
    odd = axes[0] + 0.4 * axes[10]
    double = [0.8 * axes[0] + 0.6 * axes[1] + 0.05 * axes[11 + n] for n in range(4)]
    faces = Embeddings.from_raw(np.array([*own, odd, *double]), SPACE)
    labels = np.array([0] * 5 + [1] * 4)
    groups = group_identities(faces, labels, n_identities=2, threshold=Threshold(0.97))
    assert groups.groups[4] > 0
    faults = label_faults(faces.vectors, groups, RULES, merged=set())
    assert faults.others.similarities[4] > RULES.match.similarity
    assert not len(faults.moves)


def test_a_face_of_nobody_here_is_a_stranger() -> None:
    faults, _, _ = judged([0] * 5 + [1] * 5 + [2], [0] * 5 + [1] * 5 + [0])
    assert faults.strangers.tolist() == [10]
    assert not len(faults.moves)


def test_two_people_under_one_label_are_split() -> None:
    faults, _, _ = judged([0] * 5 + [1] * 3 + [2] * 4, [0] * 8 + [1] * 4)
    assert [(split.label, split.rows.tolist()) for split in faults.splits] == [(0, [5, 6, 7])]
    assert not len(faults.strangers)
    assert not len(faults.moves)


def test_being_like_an_identity_that_is_the_same_person_is_no_fault() -> None:
    truth = [0] * 4 + [1] * 3 + [1] * 5
    labels = [0] * 7 + [1] * 5
    faults, groups, faces = judged(truth, labels)
    assert faults.moves.tolist() == [4, 5, 6]
    merged = {frozenset((0, 1))}
    assert not len(label_faults(faces.vectors, groups, RULES, merged=merged).moves)


def test_one_person_under_two_labels_is_found_and_a_double_is_not() -> None:
    truth = [0] * 4 + [0] * 6 + [1] * 5
    faces = of_people(truth)
    rows = np.array(faces.vectors)
    # A double: a person whose centre lies close to person 1's, but whose photos are closer still.
    double = of_people([0] * 5, seed=5, noise=0.02).vectors
    shift = faces.vectors[10:].mean(axis=0) + 0.75 * double
    rows = np.concatenate([rows, shift / np.linalg.norm(shift, axis=1, keepdims=True)])
    labels = np.repeat([0, 1, 2, 3], [4, 6, 5, 5])
    everybody = Embeddings(rows.astype(np.float32), np.ones(20, np.float32), SPACE)
    groups = group_identities(everybody, labels, n_identities=4, threshold=RULES.same)
    assert groups.centres[2] @ groups.centres[3] > RULES.match.similarity
    lax = alike_identities(rows, groups, threshold=0.6, ratio=0.0)
    pairs = alike_identities(rows, groups, threshold=0.6, ratio=0.85)
    assert {frozenset((p.first, p.second)) for p in lax} == {frozenset((0, 1)), frozenset((2, 3))}
    assert [(p.first, p.second) for p in pairs] == [(1, 0)]  # the larger first
    v = everybody.vectors
    across = np.mean([v[i] @ v[j] for i in range(4) for j in range(4, 10)])
    within = [
        np.mean([v[i] @ v[j] for i in part for j in part if i < j])
        for part in (range(4), range(4, 10))
    ]
    assert pairs[0].ratio == pytest.approx(across / np.sqrt(within[0] * within[1]), abs=1e-4)


def test_halves_of_identities_are_as_alike_as_one_person() -> None:
    truth = [k for k in range(30) for _ in range(6)]
    groups = group_identities(
        of_people(truth), np.array(truth), n_identities=30, threshold=RULES.same
    )
    assert 0.8 < halves_ratio(of_people(truth).vectors, groups) < 1.0
    few = group_identities(
        of_people(truth[:60]), np.array(truth[:60]), n_identities=10, threshold=RULES.same
    )
    assert halves_ratio(of_people(truth[:60]).vectors, few) == 0.8


def test_thresholds_follow_the_number_of_identities() -> None:
    table = ThresholdTable(
        tuple(
            Threshold(s, f, 10**7, "toy")
            for s, f in ((0.1, 0.1), (0.2, 1e-2), (0.3, 1e-3), (0.4, 1e-4), (0.5, 1e-5))
        )
    )
    few, many = (audit_thresholds(table, n_identities=n, fpir=0.01) for n in (10, 900))
    assert (few.same.similarity, few.unlike.similarity, few.match.similarity) == (0.2, 0.1, 0.3 + 0)
    assert many.match.similarity == 0.5
    assert many.fpir == 0.01
    too_many = audit_thresholds(table, n_identities=10**6, fpir=0.01)
    assert too_many.match.similarity == 0.5
    assert too_many.fpir is None
    with pytest.raises(CalibrationError):
        audit_thresholds(ThresholdTable(), n_identities=10)


def test_measured_thresholds_are_hardly_moved_by_wrong_labels() -> None:
    truth = [k for k in range(40) for _ in range(6)]
    faces = of_people(truth)
    clean = measured_table(faces, np.array(truth))
    labels = np.array(truth)
    labels[::20] = (labels[::20] + 1) % 40  # 5 % wrong
    labels[(labels == 3) & (np.arange(240) % 2 == 0)] = 40  # one person under two labels
    noisy = measured_table(faces, labels)
    wanted, got = clean.at_fmr(1e-3).similarity, noisy.at_fmr(1e-3).similarity
    assert got == pytest.approx(wanted, abs=0.02)
