import os
from pathlib import Path

import pytest

from vultus.core.errors import ConfigError
from vultus.models.settings import mirror_folders, offline_switch, store_policy, store_root


def test_arguments_come_before_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "m").mkdir()
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VULTUS_MODELS_MIRROR", str(tmp_path))
    monkeypatch.setenv("VULTUS_OFFLINE", "1")
    monkeypatch.setenv("VULTUS_MODELS_POLICY", "commercial-only")
    assert store_root(None) == tmp_path / "home" / "models"
    assert store_root(tmp_path / "s") == tmp_path / "s"
    assert mirror_folders(None) == (tmp_path,)
    assert mirror_folders(tmp_path / "m") == mirror_folders([str(tmp_path / "m")])
    assert mirror_folders([]) == ()
    assert offline_switch(None)
    assert not offline_switch(False)
    assert store_policy(None) == "commercial-only"
    assert store_policy("any") == "any"


def test_without_a_word_the_users_data_folder_and_no_limits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("VULTUS_HOME")
    root = store_root(None)
    assert root.is_absolute()
    assert root.name == "models"
    assert "vultus" in root.parts
    assert mirror_folders(None) == ()
    assert not offline_switch(None)
    assert store_policy(None) == "any"


def test_several_mirrors_are_separated_like_a_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    monkeypatch.setenv("VULTUS_MODELS_MIRROR", os.pathsep.join(map(str, folders)))
    assert mirror_folders(None) == tuple(folders)


@pytest.mark.parametrize(
    ("value", "switched"), [("1", True), ("yes", True), (" On ", True), ("0", False), ("", False)]
)
def test_the_offline_switch(monkeypatch: pytest.MonkeyPatch, value: str, switched: bool) -> None:
    monkeypatch.setenv("VULTUS_OFFLINE", value)
    assert offline_switch(None) is switched


def test_wrong_values_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must be a folder"):
        mirror_folders(tmp_path / "absent")
    with pytest.raises(ConfigError, match="any or commercial-only"):
        store_policy("commercial")
    monkeypatch.setenv("VULTUS_OFFLINE", "maybe")
    with pytest.raises(ConfigError, match="1 or 0"):
        offline_switch(None)
