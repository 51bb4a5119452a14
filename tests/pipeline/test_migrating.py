"""What a recogniser of the next model does for a gallery: kept crops, and photos taken again."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from vultus.core.errors import (
    AlreadyEnrolledError,
    GallerySpaceError,
    IdentityNotFoundError,
    InputError,
)
from vultus.core.faces import Image
from vultus.gallery.gallery import Gallery
from vultus.gallery.moving.crops import KeptCrops
from vultus.gallery.moving.migration import Migration
from vultus.image.io import write_image
from vultus.models.cards import ModelCard
from vultus.models.digest import sha256_file
from vultus.pipeline.migrating import migrate_gallery, photograph_again
from vultus.pipeline.photos import Skipped
from vultus.pipeline.recognizer import Recognizer

GRACE, EILEEN = "Grace Hopper", "Eileen Collins"


def recoloured(image: Image) -> Image:
    """Another photo of the same person."""
    return np.asarray(np.clip(image.astype(np.float32) * 1.1 - 5, 0, 255), np.uint8)


@pytest.fixture(scope="module")
def present(tiny_model: Path) -> Recognizer:
    return Recognizer(embedder=tiny_model, gate=None, threads=1)


@pytest.fixture(scope="module")
def coming(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Recognizer:
    """Of another model, which looks at the same crops in another way."""
    path, model = tmp_path_factory.mktemp("next") / "next.onnx", onnx.load(tiny_model)
    (weights,) = model.graph.initializer
    turned = np.random.default_rng(7).permutation(numpy_helper.to_array(weights))
    weights.CopyFrom(numpy_helper.from_array(turned, weights.name))
    onnx.save(model, path)
    card = ModelCard.from_toml(tiny_model.with_suffix(".toml").read_text(encoding="utf-8"))
    card = dataclasses.replace(card, name="next", file_name=path.name, sha256=sha256_file(path))
    path.with_suffix(".toml").write_text(card.to_toml(), encoding="utf-8")
    return Recognizer(embedder=path, gate=None, threads=1)


@pytest.fixture
def gallery(present: Recognizer, hopper: Image, tmp_path: Path) -> Iterator[Gallery]:
    """Of Grace, whose crop is kept."""
    with present.open_gallery(tmp_path / "g.db") as opened:
        KeptCrops(opened).allow()
        present.enroll(opened, GRACE, [hopper])
        yield opened


@pytest.fixture
def folder(collins: Image, rocket: Image, tmp_path: Path) -> Path:
    """Of people photographed again: Eileen, once without a face."""
    place = tmp_path / "again"
    (place / EILEEN).mkdir(parents=True)
    write_image(place / EILEEN / "a.png", recoloured(collins))
    write_image(place / EILEEN / "b.png", rocket)
    return place


def check_known(recognizer: Recognizer, gallery: Gallery, photo: Image, name: str) -> None:
    (answer,) = recognizer.identify(photo, gallery, threshold=0.8)
    assert answer.identity == name


def test_kept_crops_are_embedded_and_it_answers_by_the_next_model(
    present: Recognizer, coming: Recognizer, gallery: Gallery, hopper: Image
) -> None:
    told: list[tuple[str, int, int]] = []
    status = migrate_gallery(coming, gallery, progress=lambda *step: told.append(step))
    assert (status.before, status.model, status.people) == ("tiny", "next", 1)
    assert (status.ready, status.pending, status.complete) == (1, 0, True)
    assert told[-1] == ("embedding kept crops", 1, 1)
    check_known(present, gallery, hopper, GRACE)
    assert migrate_gallery(coming, gallery) == status  # going on finds nothing to do
    least = Migration(gallery).target()
    assert least is not None
    assert least.outlier_similarity == 0.8  # of the next model's card, at FMR 1e-2
    Migration(gallery).finish()
    with coming.open_gallery(gallery.path) as after:
        check_known(coming, after, hopper, GRACE)
        # What was embedded of the crop is what the photo itself gives.
        assert after.similarities(GRACE, coming.embed_face(hopper))[0] > 0.9999


def test_the_model_that_it_has_is_refused(present: Recognizer, gallery: Gallery) -> None:
    with pytest.raises(InputError, match="is of the model tiny already"):
        migrate_gallery(present, gallery)


def test_who_is_photographed_again_is_known_after_the_switch(
    present: Recognizer, coming: Recognizer, gallery: Gallery, collins: Image, folder: Path
) -> None:
    KeptCrops(gallery).forbid()
    present.enroll(gallery, EILEEN, [collins])
    gallery.remove(GRACE)
    assert [who.identity for who in migrate_gallery(coming, gallery).missing] == [EILEEN]
    skipped = Skipped()
    assert photograph_again(coming, gallery, folder, on_error=skipped) == {EILEEN: 1}
    assert [photo["reason"] for photo in skipped.photos] == ["without a face"]
    Migration(gallery).finish()
    with coming.open_gallery(gallery.path) as after:
        (photo,) = after.photos(EILEEN)
        assert photo["source"] == str(folder / EILEEN / "a.png")
        check_known(coming, after, collins, EILEEN)


def test_photographs_of_somebody_who_is_not_enrolled_are_told(
    coming: Recognizer, gallery: Gallery, folder: Path
) -> None:
    migrate_gallery(coming, gallery)
    skipped = Skipped()
    assert photograph_again(coming, gallery, folder, on_error=skipped) == {EILEEN: 0}
    assert any(photo["error"].startswith("nobody named") for photo in skipped.photos)
    (folder / EILEEN / "b.png").unlink()
    with pytest.raises(IdentityNotFoundError, match="nobody named 'Eileen Collins'"):
        photograph_again(coming, gallery, folder)
    assert len(gallery) == 1


def test_without_a_migration_nobody_is_photographed_again(
    coming: Recognizer, gallery: Gallery, folder: Path
) -> None:
    (folder / EILEEN / "b.png").unlink()
    with pytest.raises(InputError, match="is not being brought to another model"):
        photograph_again(coming, gallery, folder)


@pytest.fixture
def mixed_up(
    gallery: Gallery, present: Recognizer, hopper: Image, collins: Image, folder: Path
) -> Path:
    """Photos of both people again, the one of Grace in Eileen's folder, and of neither."""
    present.enroll(gallery, EILEEN, [collins])
    (folder / EILEEN / "b.png").unlink()
    write_image(folder / EILEEN / "grace.png", recoloured(hopper))
    return folder


def test_a_photo_of_somebody_else_who_is_enrolled_is_refused_with_the_reason(
    present: Recognizer, coming: Recognizer, gallery: Gallery, mixed_up: Path
) -> None:
    migrate_gallery(coming, gallery)
    skipped = Skipped()
    told = photograph_again(coming, gallery, mixed_up, present=present, on_error=skipped)
    assert told == {EILEEN: 1}
    (refused,) = skipped.photos
    assert refused["photo"].endswith("grace.png")
    assert "this face is already 'Grace Hopper' (similarity 0.9" in refused["error"]
    assert "FMR 0.0001" in refused["error"]
    with pytest.raises(AlreadyEnrolledError, match="already 'Grace Hopper'"):
        photograph_again(coming, gallery, mixed_up, present=present)


def test_a_photo_that_is_unlike_the_persons_is_refused_with_the_error_rate(
    present: Recognizer, coming: Recognizer, gallery: Gallery, mixed_up: Path
) -> None:
    gallery.remove(GRACE)  # so that it is like nobody
    migrate_gallery(coming, gallery)
    skipped = Skipped()
    told = photograph_again(coming, gallery, mixed_up, present=present, on_error=skipped)
    assert told == {EILEEN: 1}
    (refused,) = skipped.photos
    assert refused["error"].startswith("unlike the photos of 'Eileen Collins' (similarity 0.")
    assert "below 0.8000, which a stranger reaches with FMR 0.01" in refused["error"]


def test_who_insists_enrols_them_all_the_same(
    present: Recognizer, coming: Recognizer, gallery: Gallery, mixed_up: Path
) -> None:
    migrate_gallery(coming, gallery)
    told = photograph_again(coming, gallery, mixed_up, present=present, force=True)
    assert told == {EILEEN: 2}


def test_without_the_present_model_a_note_says_that_nothing_was_compared(
    coming: Recognizer, gallery: Gallery, mixed_up: Path
) -> None:
    migrate_gallery(coming, gallery)
    (mixed_up / EILEEN / "grace.png").unlink()
    skipped = Skipped()
    assert photograph_again(coming, gallery, mixed_up, on_error=skipped) == {EILEEN: 1}
    assert [note.kind for note in skipped.notes] == ["not compared"]
    with pytest.raises(GallerySpaceError, match="holds embeddings of"):
        photograph_again(coming, gallery, mixed_up, present=coming)


def test_a_photo_that_is_there_already_is_told(
    present: Recognizer, coming: Recognizer, gallery: Gallery, mixed_up: Path
) -> None:
    migrate_gallery(coming, gallery)
    (mixed_up / EILEEN / "grace.png").unlink()
    skipped = Skipped()
    for expected in (1, 0):
        told = photograph_again(coming, gallery, mixed_up, present=present, on_error=skipped)
        assert told == {EILEEN: expected}
    assert [photo["error"] for photo in skipped.photos] == ["enrolled already"]
