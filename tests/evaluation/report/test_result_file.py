import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.evaluation.protocols.figures import to_json
from vultus.evaluation.report.comparison import compare
from vultus.evaluation.report.page import write_report
from vultus.evaluation.report.record import EvaluationRecord
from vultus.evaluation.report.result_file import load_record, save_record

MakeRecord = Callable[..., EvaluationRecord]


@pytest.mark.parametrize("kind", ["folder", "pairs"])
def test_a_record_comes_back_whole(
    make_record: MakeRecord, pair_record: MakeRecord, tmp_path: Path, kind: str
) -> None:
    record = make_record() if kind == "folder" else pair_record()
    path = tmp_path / "result.json"
    save_record(path, record)
    back = load_record(path)
    assert back.result == record.result
    assert to_json(back.result) == to_json(record.result)
    assert back.curves.keys() == record.curves.keys()
    for name, curve in record.curves.items():
        assert (back.curves[name].thresholds == curve.thresholds).all()
        assert (back.curves[name].n_true_matches == curve.n_true_matches).all()
        assert (back.curves[name].n_false_matches == curve.n_false_matches).all()
    assert back.worst_genuine == record.worst_genuine
    assert back.worst_impostor == record.worst_impostor
    assert back.reject_areas == record.reject_areas
    for name, rejecting in record.reject.items():
        assert (back.reject[name].fnmr == rejecting.fnmr).all()
    assert back.histogram is not None
    assert record.histogram is not None
    assert (back.histogram.edges == record.histogram.edges).all()
    if record.cmc is not None:
        assert back.cmc is not None
        assert np.array_equal(back.cmc.n_found, record.cmc.n_found)
    assert (back.created, back.software, back.cost) == (
        record.created,
        record.software,
        record.cost,
    )


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("curves", "comparisons", "n_false_matches"), [5, 4, 3]),
        (("curves", "comparisons", "thresholds"), "text"),
        (("curves", "comparisons", "n_genuine"), 0),
        (("curves",), {}),
        (("result", "n_genuine"), "many"),
        (("result", "accuracy"), "<b>"),
        (("result", "equal_error_rate"), None),
        (("result", "model"), None),
        (("result", "operating_points"), [{}]),
        (("result", "folds"), {"accuracy": 1}),
        (("result", "identification"), {"rank": 3}),
        (("result", "files_sha256"), [1]),
        (("result", "settings"), "mode ND"),
        (("result", "equal_error_rate_interval"), {"low": "0"}),
        (("result", "galleries"), {"G1": {"rank": {}}}),
        (("result", "galleries"), ["G1"]),
        (("result", "identification", "open_set"), [{"target_fpir": 0.1, "fnir": 0.2, "tpir": ""}]),
        (("result", "distractors"), [{"n_distractors": 10}]),
        (("result", "distractors"), [{"n_distractors": 10, "n_searches": 5, "rank": {"5": {}}}]),
        (("result", "distractors"), [{"n_distractors": 10, "n_searches": 5, "rank": {}}]),
        (("result", "verification"), {"mean": 0.5}),
        (("result", "all_pairs"), []),
        (("histogram", "edges"), [0, 0]),
        (("cmc", "n_found"), []),
        (("reject", "feature norm"), {}),
        (("reject", "feature norm", "fnmr"), []),
        (("reject_areas",), {}),
        (("worst_genuine",), [[1, 2]]),
        (("cost", "seconds"), "long"),
        (("software",), None),
    ],
)
def test_damage_is_named(
    make_record: MakeRecord, tmp_path: Path, path: tuple[str, ...], value: Any
) -> None:
    file = tmp_path / "result.json"
    save_record(file, make_record())
    content = json.loads(file.read_text())
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match="damaged"):
        load_record(file)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"format": "other"}', '{"a": NaN}'])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(text)
    with pytest.raises(InputError, match=r"other\.json"):
        load_record(file)


def test_missing_files_and_folders_are_named(make_record: MakeRecord, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_record(tmp_path / "none.json")
    with pytest.raises(InputError, match="make"):
        save_record(tmp_path / "none" / "result.json", make_record())


def test_a_record_of_the_first_version_can_be_read(make_record: MakeRecord, tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    save_record(file, make_record())
    content = json.loads(file.read_text())
    result = content["result"]
    for key in ("equal_error_rate_interval", "area_under_curve_interval", "settings"):
        del result[key]
    del result["identification"]["identified_at_rank"]
    for row in result["identification"]["open_set"]:
        for key in ("fpir_interval", "fnir_interval", "tpir"):
            del row[key]
    file.write_text(json.dumps(content))
    record = load_record(file)
    assert record.result.identification is not None
    assert record.result.identification.identified_at_rank == 1
    assert record.result.equal_error_rate_interval is None
    result["settings"], result["identification"]["identified_at_rank"] = {}, 1
    assert to_json(record.result) == result
    page = tmp_path / "r.html"
    write_report(page, compare([(None, record)], title="", created="", version="0"))
    assert "unknown" not in page.read_text()


def test_what_a_later_version_adds_is_left_alone(make_record: MakeRecord, tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    save_record(file, make_record())
    content = json.loads(file.read_text())
    content["result"]["calibration"] = {"slope": 1}
    content["weather"] = "fine"
    file.write_text(json.dumps(content))
    assert load_record(file).result.protocol == "folder"


def test_the_message_says_where_and_what(make_record: MakeRecord, tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    save_record(file, make_record())
    content = json.loads(file.read_text())
    content["result"]["operating_points"][1]["tar_interval"]["low"] = "0.5"
    file.write_text(json.dumps(content))
    wanted = (
        r"is damaged: result\.operating_points\.1\.tar_interval\.low must be a number, got '0.5'"
    )
    with pytest.raises(InputError, match=wanted):
        load_record(file)
