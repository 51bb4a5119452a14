from pathlib import Path

import pytest

from vultus.core.errors import InputError
from vultus.gallery.gallery import Gallery
from vultus.server.context import Context
from vultus.server.galleries import Galleries
from vultus.server.problems import ProblemError


@pytest.mark.parametrize("gallery_id", ["../a", "", ".a", "a/b", "a" * 65, "a\n"])
def test_no_gallery_is_made_outside_of_the_folder(context: Context, gallery_id: str) -> None:
    with pytest.raises(InputError, match="must match"):
        context.galleries.make(gallery_id)
    assert context.settings.data is not None
    assert sorted(context.settings.data.parent.glob("**/*.db")) == [context.settings.gallery[0]]


def test_nobody_gets_a_gallery_that_is_not_there(context: Context) -> None:
    with pytest.raises(ProblemError, match="no gallery"):
        context.galleries.get("none", actor="test")


def test_a_file_of_the_folder_may_be_given_by_name_too(context: Context, tmp_path: Path) -> None:
    context.galleries.make("staff")
    folder = tmp_path / "more"
    again = Galleries(
        context.recognizer, (folder / "staff.db", folder / "new.db"), data=tmp_path / "more"
    )
    assert again.ids == ["new", "staff"]
    again.close()
    with pytest.raises(InputError, match="two galleries are called"):
        Galleries(context.recognizer, (tmp_path / "staff.db",), data=folder)


def test_a_gallery_is_warm_before_anybody_asks(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    warmed = []
    monkeypatch.setattr(Gallery, "warm", lambda gallery: warmed.append(gallery.path.stem))
    context.galleries.make("staff")
    assert warmed == ["staff"]
