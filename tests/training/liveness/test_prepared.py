"""What is trained and checked on, of a whole site."""

from tests.training.liveness.world import SPECIES

from vultus.training.liveness.prepared import PreparedPhotos, prepare_photos
from vultus.training.liveness.recipe import LivenessRecipe
from vultus.training.liveness.split import PARTS
from vultus.training.liveness.train import LivenessRun


def test_every_photo_is_used_once_and_every_person_in_one_part(prepared: PreparedPhotos) -> None:
    assert prepared.kinds == ["live", *SPECIES]
    rows = [prepared.rows(part, kind) for part in PARTS for kind in prepared.kinds]
    assert sorted(row for some in rows for row in some.tolist()) == list(range(len(prepared.parts)))
    assert all(len(some) for some in rows)
    assert sum(prepared.groups(part) for part in PARTS) == 9
    assert prepared.pixels.shape[1:] == (40, 40, 3)


def test_photos_without_an_answer_are_counted_where_they_check(
    prepared: PreparedPhotos, recipe: LivenessRecipe, trained: LivenessRun
) -> None:
    checking = {
        photo.group
        for photo, part in zip(prepared.photos, prepared.parts, strict=True)
        if part == "held out"
    }
    for kind in prepared.kinds:
        used = len(prepared.rows("held out", kind))
        assert used + prepared.unanswered.get(kind, 0) == 3 * len(checking)
    assert prepare_photos(recipe, trained.path).digest == prepared.digest
