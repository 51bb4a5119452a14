import pytest

from vultus.core.errors import InputError
from vultus.server.context import Context
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
