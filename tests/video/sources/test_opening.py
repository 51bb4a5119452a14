from pathlib import Path

import pytest
from PIL import Image
from tests.video.conftest import FilmMaker

from vultus.core.errors import MissingDependencyError, VideoError
from vultus.video.sources import container
from vultus.video.sources.folder import FrameFolder
from vultus.video.sources.live import LiveSource
from vultus.video.sources.opening import open_source
from vultus.video.sources.video_file import VideoFile


def test_a_text_names_a_file_a_folder_a_camera_or_a_stream(film: FilmMaker, tmp_path: Path) -> None:
    assert isinstance(open_source(film()), VideoFile)
    frames = tmp_path / "frames"
    frames.mkdir()
    Image.new("RGB", (8, 8)).save(frames / "1.png")
    assert isinstance(open_source(frames), FrameFolder)
    for text in ("camera:0", "/dev/video3", "rtsp://a:b@cam/1"):
        source = open_source(text)
        assert isinstance(source, LiveSource)
        assert source.is_live
    assert source.name == "rtsp://cam/1"
    assert open_source("camera:0", name="door").name == "door"


def test_an_unknown_kind_of_address_is_an_error_without_the_password() -> None:
    with pytest.raises(VideoError, match="begins with one of rtsp") as caught:
        open_source("gopher://a:s3cret@cam/1")
    assert "s3cret" not in str(caught.value)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, film: FilmMaker) -> None:
    path = film()
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(MissingDependencyError, match="needs PyAV"):
        open_source(path)
    with pytest.raises(MissingDependencyError, match="needs PyAV"):
        container.import_av()
