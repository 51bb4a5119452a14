import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from vultus.core.errors import InputError
from vultus.evaluation.report.comparison import compare
from vultus.evaluation.report.record import EvaluationRecord

MakeRecord = Callable[..., EvaluationRecord]


def changed(record: EvaluationRecord, **figures: Any) -> EvaluationRecord:
    return dataclasses.replace(record, result=dataclasses.replace(record.result, **figures))


def labels_of(*records: tuple[str | None, EvaluationRecord]) -> list[str]:
    groups = compare(records, title="", created="", version="0").groups
    return [entry.label for group in groups for entry in group.entries]


def test_groups_keep_the_order_given(make_record: MakeRecord, pair_record: MakeRecord) -> None:
    pairs, folder = pair_record("alpha"), make_record("alpha")
    other = changed(folder, model=dataclasses.replace(folder.result.model, model="beta"))
    found = compare(
        [(None, pairs), (None, folder), (None, other)], title="", created="", version="0"
    )
    assert [group.protocol for group in found.groups] == ["pairs", "folder"]
    assert found.labels == ("alpha", "beta")


def test_labels_tell_runs_of_one_model_apart(make_record: MakeRecord) -> None:
    record = make_record()
    mtcnn, crops = changed(record, detector="mtcnn"), changed(record, detector=None)
    assert labels_of((None, record)) == ["alpha"]
    assert labels_of((None, record), (None, mtcnn), (None, crops)) == [
        "alpha, yunet",
        "alpha, mtcnn",
        "alpha, aligned crops",
    ]
    space = record.result.model
    retrained = changed(record, model=dataclasses.replace(space, weights_sha256="cd" * 32))
    assert labels_of((None, record), (None, retrained)) == [
        "alpha, yunet, abababab",
        "alpha, yunet, cdcdcdcd",
    ]
    assert labels_of((None, record), (None, record))[1].endswith(" #2")
    assert labels_of(("mine", record), (None, record)) == ["mine", "alpha"]
    with pytest.raises(InputError, match="must differ"):
        labels_of(("mine", record), ("mine", record))


def test_what_cannot_be_compared_is_said(make_record: MakeRecord) -> None:
    record = changed(make_record(), files_sha256={"pairs.txt": "0" * 64})
    same = changed(record, detector="mtcnn")
    assert (
        compare([(None, record), (None, same)], title="", created="", version="0")
        .groups[0]
        .warnings
        == ()
    )
    other = changed(same, files_sha256={"pairs.txt": "1" * 64}, n_genuine=7)
    first, second = (
        compare([(None, record), (None, other)], title="", created="", version="0")
        .groups[0]
        .warnings
    )
    assert "different files (pairs.txt)" in first
    assert "genuine comparisons (7 and 180)" in second


def test_other_settings_are_said(make_record: MakeRecord) -> None:
    one = changed(make_record(), settings={"mode": "N1D1F2", "landmarks": "list"})
    other = changed(one, settings={"mode": "N0D0F0", "landmarks": "list"}, detector="yunet")
    told = compare([(None, one), (None, other)], title="", created="", version="0").groups[0]
    assert [text for text in told.warnings if "settings" in text] == [
        "These results have different settings (mode N1D1F2 and N0D0F0); compare with care."
    ]


def test_no_result_is_an_error() -> None:
    with pytest.raises(InputError, match="at least one"):
        compare([], title="", created="", version="0")


def test_pairs_stay_out_of_the_json_unless_asked(make_record: MakeRecord) -> None:
    found = compare([(None, make_record())], title="", created="", version="0")
    assert "worst_genuine" not in found.to_dict()["protocols"][0]["models"][0]
    model = found.to_dict(worst=3)["protocols"][0]["models"][0]
    assert len(model["worst_genuine"]) == len(model["worst_impostor"]) == 3
