from pathlib import Path

import pytest
from tests.evaluation.report.group_figures import figures

from vultus.core.errors import InputError
from vultus.evaluation.report.group_record import load_group_record, save_group_record


def test_a_record_is_read_back_as_it_was(tmp_path: Path) -> None:
    made = figures()
    save_group_record(tmp_path / "groups.json", made)
    assert load_group_record(tmp_path / "groups.json") == made


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text('{"format": "vultus-evaluation-1"}')
    with pytest.raises(InputError, match=r"evaluate groups .* got format 'vultus-evaluation-1'"):
        load_group_record(path)
    path.write_text('{"format": "vultus-groups-1"}')
    with pytest.raises(InputError, match="is damaged"):
        load_group_record(path)
