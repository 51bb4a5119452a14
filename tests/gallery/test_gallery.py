import dataclasses
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import (
    AlreadyEnrolledError,
    CalibrationError,
    GalleryError,
    GalleryKeyError,
    GallerySpaceError,
    IdentityNotFoundError,
    InputError,
    NameTakenError,
)
from vultus.core.thresholds import Threshold, ThresholdTable
from vultus.gallery.enrolment import ALREADY, REPEATED
from vultus.gallery.gallery import Gallery
from vultus.gallery.people import faces
from vultus.gallery.people.details import Consent, PersonDetails
from vultus.gallery.security.master_key import MasterKey
from vultus.matching.fusion import fuse
from vultus.search.exact import search

PhotosOf = Callable[..., Embeddings]
RULE = Threshold(0.5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "people.db"


def test_enrolled_people_are_named_after_reopening_and_strangers_are_not(
    path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    with Gallery.open(path, space=space) as gallery:
        for person in range(5):
            assert gallery.enroll(f"person {person}", photos_of(person, 3)).added == 3
    probe = Embeddings.concatenate([photos_of(3, 1, first=7), photos_of(99)])
    with Gallery.open(path) as gallery:
        assert (gallery.space, len(gallery)) == (space, 5)
        known, stranger = gallery.identify(probe, threshold=RULE)
        ranked = gallery.search(probe, rank=2)
    assert (known.identity, stranger.identity) == ("person 3", None)
    assert known.candidates[:2] == ranked[0]
    assert known.gallery_size == 5


def test_the_list_tells_who_how_many_and_when(
    path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    with Gallery.open(path, space=space) as gallery:
        gallery.enroll("Zoe", photos_of(1, 2))
        gallery.enroll("  Ann ", photos_of(2))
        gallery.enroll("Zoe", photos_of(1, 1, first=2))
        people = gallery.identities()
    assert [(person.identity, person.n_photos) for person in people] == [("Zoe", 3), ("Ann", 1)]
    when = datetime.fromisoformat(people[0].enrolled_at)
    assert when.utcoffset() == timedelta(0)
    assert people[0].to_dict()["identity"] == "Zoe"


def test_templates_are_those_of_fuse_with_quality_and_norms_kept(
    path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    plain = photos_of(1, 4)
    graded = Embeddings(
        plain.vectors, plain.norms, space, np.array([0.1, 0.9, 0.5, 0.2], np.float32)
    )
    with Gallery.open(path, space=space) as gallery:
        gallery.enroll("plain", plain)
        gallery.enroll("graded", graded)
        templates = gallery.template_set()
        t = gallery.outlier_similarity
    for row, photos in enumerate((plain, graded)):
        expected = fuse(photos, identity="x", outlier_similarity=t).template.vector
        np.testing.assert_array_equal(templates.vectors[row], expected)


def test_templates_are_kept_until_something_changes_here_or_elsewhere(
    path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    with Gallery.open(path, space=space) as here, Gallery.open(path) as elsewhere:
        here.enroll("Ann", photos_of(1))
        first = here.template_set()
        assert here.template_set() is first
        here.enroll("Bob", photos_of(2))
        assert here.template_set().identities == ("Ann", "Bob")
        elsewhere.enroll("Cid", photos_of(3))
        assert here.template_set().identities == ("Ann", "Bob", "Cid")
        elsewhere.remove("Ann")
        assert here.template_set().identities == ("Bob", "Cid")
        here.remove("Cid")
        assert here.template_set().identities == ("Bob",)


def test_enrolling_the_same_photos_again_adds_nothing(
    path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    with Gallery.open(path, space=space) as gallery:
        gallery.enroll("Ann", photos_of(1, 2))
        again = gallery.enroll("Ann", photos_of(1, 3))
        assert again.reasons == (("enrolled already",), ("enrolled already",), ())
        assert gallery.enroll("Ann", photos_of(1, 3)).added == 0
        assert gallery.identities()[0].n_photos == 3


def test_a_photo_of_somebody_else_among_several_is_left_out_and_reported(
    path: Path, space: EmbeddingSpace, photos_of: PhotosOf, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")  # the result says it; the log is for who reads neither
    mixed = Embeddings.concatenate([photos_of(1, 2), photos_of(2), photos_of(1, 1, first=2)])
    with Gallery.open(path, space=space) as gallery:
        result = gallery.enroll("Ann", mixed, sources=["a", "b", "c", "d"])
        assert result.added == gallery.identities()[0].n_photos == 3
    assert [bool(reasons) for reasons in result.reasons] == [False, False, True, False]
    assert "1 of 4 photos of somebody left out" in caplog.text
    assert "Ann" not in caplog.text  # a name in a log would outlive an erasure


def test_two_people_under_one_name_do_not_pass(
    path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    two = Embeddings.concatenate([photos_of(1), photos_of(2)])
    with Gallery.open(path, space=space) as gallery:
        with pytest.raises(InputError, match=r"nothing was enrolled.*disagree"):
            gallery.enroll("Ann", two)
        gallery.enroll("Ann", photos_of(1, 3))
        with pytest.raises(InputError, match="no photo is like those of 'Ann'"):
            gallery.enroll("Ann", photos_of(2))
        assert [person.n_photos for person in gallery.identities()] == [3]


def test_a_bad_first_photo_is_outvoted_later(
    path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    with Gallery.open(path, space=space) as gallery:
        gallery.enroll("Ann", photos_of(2))
        assert gallery.enroll("Ann", photos_of(1, 3)).added == 3
        found = gallery.search(Embeddings.concatenate([photos_of(1), photos_of(2)]))
    assert found[0][0].similarity > 0.8
    assert found[1][0].similarity < 0.3


def test_removing_takes_the_person_and_suggests_names(
    path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    with Gallery.open(path, space=space) as gallery:
        gallery.enroll("Annabel", photos_of(1))
        gallery.enroll("Bob", photos_of(2))
        with pytest.raises(IdentityNotFoundError, match="did you mean 'Annabel'"):
            gallery.remove("Anabel")
        gallery.remove(" Annabel ")
        assert [person.identity for person in gallery.identities()] == ["Bob"]
        with pytest.raises(IdentityNotFoundError):
            gallery.remove("Annabel")


def test_fpir_is_turned_into_a_threshold_for_the_gallerys_size(
    path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    table = ThresholdTable(
        tuple(Threshold(s, fmr=f, n_impostor=10**6) for s, f in ((0.3, 1e-2), (0.6, 2e-3)))
    )
    with Gallery.open(path, space=space) as gallery:
        rule = gallery.threshold(table, fpir=0.01)
        assert gallery.identify(photos_of(1), threshold=rule)[0].identity is None
        gallery.enroll("person 0", photos_of(0))
        rule = gallery.threshold(table, fpir=0.01)
        alone = gallery.identify(photos_of(0), threshold=rule, fpir=0.01)[0]
        assert (alone.threshold.similarity, alone.fpir, alone.gallery_size) == (0.3, 0.01, 1)
        for person in range(1, 5):
            gallery.enroll(f"person {person}", photos_of(person))
        assert gallery.threshold(table, fpir=0.01).similarity == 0.6
        gallery.enroll("person 5", photos_of(5))
        with pytest.raises(CalibrationError, match="6 people"):
            gallery.threshold(table, fpir=0.01)
        by_hand = gallery.identify(photos_of(0), threshold=Threshold(0.0))[0]
        assert (by_hand.threshold.similarity, by_hand.fpir) == (0.0, None)
        with pytest.raises(InputError, match="fpir must be"):
            gallery.identify(photos_of(0), threshold=Threshold(0.0), fpir=1.0)
        by_rule = gallery.identify(
            photos_of(0), threshold=lambda people: Threshold(0.1 * people[1])
        )[0]
        assert (by_rule.threshold, by_rule.gallery_size) == (Threshold(0.1 * 6), 6)


def test_among_some_groups_others_are_not_found_and_the_threshold_follows_their_number(
    path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    table = ThresholdTable(
        tuple(Threshold(s, fmr=f, n_impostor=10**6) for s, f in ((0.3, 1e-2), (0.6, 2e-3)))
    )
    with Gallery.open(path, space=space) as gallery:
        for person in range(6):
            group = "staff" if person == 0 else "guests"
            details = PersonDetails(groups=[group])
            gallery.enroll(f"person {person}", photos_of(person), details=details)
        staff = gallery.among(["staff"])
        rule = staff.threshold(table, fpir=0.01)
        assert rule.similarity == 0.3
        answers = staff.identify(photos_of(1), threshold=Threshold(-1), rank=9)
        assert [c.identity for c in answers[0].candidates] == ["person 0"]
        assert (answers[0].gallery_size, len(gallery)) == (1, 6)
        assert len(gallery.search(photos_of(1), rank=9)[0]) == 6  # the other view stays
        with pytest.raises(InputError, match=r"is in a group 'staf'.*staff"):
            gallery.among(["staf"])


def test_people_are_told_apart_by_ids_that_are_asked_for_at_once(
    path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    with Gallery.open(path, space=space) as gallery:
        for person in range(3):
            gallery.enroll(f"person {person}", photos_of(person))
        known = {person.identity: person.uid for person in gallery.people()}
        assert gallery.uids([*known, "nobody"]) == known
        gallery.remove("person 1")
        assert set(gallery.uids(list(known))) == {"person 0", "person 2"}


def test_another_space_is_refused_with_a_way_out(
    path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    other = EmbeddingSpace("other-model", "1" * 64, "none", 128)
    strange = Embeddings.from_raw(np.eye(128)[:1], other)
    with Gallery.open(path, space=space) as gallery:
        gallery.enroll("Ann", photos_of(1))
        for call in (gallery.search, lambda e: gallery.identify(e, threshold=RULE)):
            with pytest.raises(GallerySpaceError, match=r"toy.*other-model.*re-enrol.*use model"):
                call(strange)
        with pytest.raises(GallerySpaceError):
            gallery.enroll("Bob", strange)
    with pytest.raises(GallerySpaceError):
        Gallery.open(path, space=other)


def test_bad_arguments_add_nothing(path: Path, space: EmbeddingSpace, photos_of: PhotosOf) -> None:
    with Gallery.open(path, space=space) as gallery:
        with pytest.raises(InputError, match="at least one photo"):
            gallery.enroll("Ann", Embeddings.empty(space))
        with pytest.raises(InputError, match="one label per photo, got 1 for 2"):
            gallery.enroll("Ann", photos_of(1, 2), sources=["a"])
        with pytest.raises(InputError, match="control"):
            gallery.enroll("A\nnn", photos_of(1))
        assert len(gallery) == 0
        assert len(gallery.template_set()) == 0


def test_a_label_that_is_no_valid_text_is_kept_readable(
    path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    with Gallery.open(path, space=space) as gallery:
        gallery.enroll("Ann", photos_of(1), sources=["caf\udce9.jpg"])
        member = gallery._roster.find("Ann")
        assert member is not None
        [face] = gallery._roster.faces(member).values()
    assert face.source == "caf\\udce9.jpg"


def test_the_outlier_rule_is_the_files(path: Path, space: EmbeddingSpace) -> None:
    with Gallery.open(path, space=space, outlier_similarity=0.0):
        pass
    with Gallery.open(path, space=space) as gallery:
        assert gallery.outlier_similarity == 0.0
    with pytest.raises(InputError, match=r"made with outlier_similarity 0\.0"):
        Gallery.open(path, outlier_similarity=0.3)
    with pytest.raises(InputError, match="outlier_similarity"):
        Gallery.open(path, outlier_similarity=3)


def test_threads_may_share_a_gallery(
    path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for i in range(5):
                name = f"person {number}-{i}"
                gallery.enroll(name, photos_of(100 * number + i))
                best = gallery.search(photos_of(100 * number + i))[0][0]
                assert best.identity == name
        except BaseException as error:  # noqa: BLE001 -- shown by the test itself
            errors.append(error)

    with Gallery.open(path, space=space) as gallery:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert len(gallery) == 20


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE templates SET body = zeroblob(540)",
        "UPDATE templates SET body = (SELECT body FROM templates ORDER BY person_id DESC LIMIT 1)",
        "DELETE FROM templates WHERE person_id = 1",
        "UPDATE people SET n_faces = n_faces + 1",
        "UPDATE keys SET wrapped = (SELECT wrapped FROM keys ORDER BY id DESC LIMIT 1)",
        "UPDATE meta SET value = substr(value, 2) WHERE key = 'summary'",
        "DELETE FROM changes",
    ],
)
def test_altered_rows_are_noticed(
    path: Path, space: EmbeddingSpace, photos_of: PhotosOf, damage: str
) -> None:
    with Gallery.open(path, space=space) as gallery:
        gallery.enroll("Ann", photos_of(1))
        gallery.enroll("Bob", photos_of(2))
        right = gallery.search(photos_of(1))
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("PRAGMA foreign_keys = OFF")
        raw.execute(damage)
    with Gallery.open(path) as gallery:
        if damage == "DELETE FROM changes":  # which nothing but speed depends on
            assert gallery.search(photos_of(1)) == right
            return
        for call in (gallery.template_set, lambda: gallery.search(photos_of(1))):
            with pytest.raises(GalleryError, match=r"damaged.*restore a backup"):
                call()
        assert gallery.check() != []


@pytest.mark.parametrize(
    "damage",
    [
        "enrolled_at = '2025-01-01T00:00:00+00:00'",
        "expires_at = '2028-01-01T00:00:00+00:00'",
        "expires_at = NULL",
        "external_tag = NULL",
        "uid = zeroblob(16)",
        "record = (SELECT record FROM people WHERE id = 2)",
        "id = 9",
    ],
)
def test_what_stands_beside_a_sealed_record_must_say_the_same(
    path: Path, space: EmbeddingSpace, photos_of: PhotosOf, damage: str
) -> None:
    details = PersonDetails(external_id="7", retain_until="2097-01-01")
    with Gallery.open(path, space=space) as gallery:
        gallery.enroll("Ann", photos_of(1), details=details)
        gallery.enroll("Bob", photos_of(2))
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute(f"UPDATE people SET {damage} WHERE id = 1")
    with Gallery.open(path) as gallery:
        with pytest.raises(GalleryError, match="damaged"):
            gallery.person("Ann")
        with pytest.raises(GalleryError, match="damaged"):
            gallery.identities()


def test_a_photo_like_somebody_elses_is_left_out_unless_forced(
    tmp_path: Path, space: EmbeddingSpace, photos_of: Callable[..., Embeddings]
) -> None:
    rule = Threshold(0.6, fmr=1e-4, n_impostor=30_000, origin="a set")
    with Gallery.open(tmp_path / "people.db", space=space) as gallery:
        assert gallery.enroll("Ann", photos_of(0, 3), alike=rule).resemblances == ()
        assert gallery.enroll("Bob", photos_of(1), alike=rule).resemblances == ()
        mixed = Embeddings.concatenate([photos_of(2), photos_of(2, 1, first=1)])
        assert gallery.enroll("Cid", mixed, alike=rule).resemblances == ()
        # More of her own photos resemble nobody else.
        assert gallery.enroll("Ann", photos_of(0, 2, first=3), alike=rule).resemblances == ()
        with pytest.raises(AlreadyEnrolledError, match=r"this face is already 'Bob' \(similarity"):
            gallery.enroll("Dora", photos_of(1, 2), alike=rule)
        assert len(gallery) == 3
        half = Embeddings.concatenate([photos_of(7), photos_of(1)])
        left_out = gallery.enroll("Fay", half, alike=rule)
        assert [bool(why) for why in left_out.reasons] == [False, True]
        assert left_out.reasons[1][0].startswith(ALREADY)
        double = gallery.enroll("Dora", photos_of(1, 2), alike=rule, force=True)
        assert double.added == 2
        # Once more changes nothing: they are more like her own.
        again = gallery.enroll("Dora", photos_of(1, 2), alike=rule)
        assert again.reasons == ((REPEATED,), (REPEATED,))
        assert [(found.place, found.candidate.identity) for found in double.resemblances] == [
            (0, "Bob"),
            (1, "Bob"),
        ]
        first = double.resemblances[0]
        bob = gallery.template_set().vectors[1]
        assert first.candidate.similarity == pytest.approx(float(bob @ photos_of(1).vectors[0]))
        assert first.threshold is rule
        assert gallery.enroll("Eve", photos_of(1)).resemblances == ()  # nobody asked


def test_templates_that_are_kept_while_enrolling_are_those_of_the_file(
    tmp_path: Path, space: EmbeddingSpace, photos_of: Callable[..., Embeddings]
) -> None:
    rule = Threshold(0.99)
    path = tmp_path / "people.db"
    with Gallery.open(path, space=space) as gallery, Gallery.open(path) as other:
        for person, first in ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1)):
            gallery.enroll(f"p{person}", photos_of(person, 1, first=first), alike=rule)
            kept = gallery.template_set()
            with Gallery.open(path) as fresh:
                assert kept.identities == fresh.template_set().identities
                np.testing.assert_array_equal(kept.vectors, fresh.template_set().vectors)
        other.enroll("p9", photos_of(9))
        gallery.enroll("p8", photos_of(8), alike=rule)
        assert gallery.template_set().identities == ("p0", "p1", "p2", "p9", "p8")
        gallery.remove("p1")
        gallery.enroll("p1", photos_of(1), alike=rule)
        assert gallery.template_set().identities == ("p0", "p2", "p9", "p8", "p1")


def test_a_folder_of_people_does_not_fuse_everybody_anew_for_each(
    tmp_path: Path,
    space: EmbeddingSpace,
    photos_of: Callable[..., Embeddings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fused: list[str] = []

    def counted(*args: Any, **named: Any) -> Any:
        fused.append(named["identity"])
        return fuse(*args, **named)

    monkeypatch.setattr(faces, "fuse", counted)
    with Gallery.open(tmp_path / "people.db", space=space) as gallery:
        for person in range(20):
            gallery.enroll(f"p{person}", photos_of(person), alike=Threshold(0.9))
    assert len(fused) == 20


def test_the_same_photo_but_for_rounding_adds_nothing(
    tmp_path: Path, space: EmbeddingSpace, photos_of: Callable[..., Embeddings]
) -> None:
    photo = photos_of(0)
    moved = Embeddings.from_raw(photo.vectors + np.float32(1e-7), space)
    assert (moved.vectors != photo.vectors).any()
    with Gallery.open(tmp_path / "people.db", space=space) as gallery:
        gallery.enroll("Ann", photo)
        done = gallery.enroll(
            "Ann", Embeddings.concatenate([moved, photos_of(0, 1, first=1), moved])
        )
        assert done.reasons == (("enrolled already",), (), ("enrolled already",))


def test_what_is_noted_of_a_person_is_told_and_found_by(
    path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    consent = Consent(given_at="2026-11-30", purpose="access", until="2097-11-30")
    details = PersonDetails(external_id="4711", groups=["staff", "night"], consent=consent)
    with Gallery.open(path, space=space, actor="door 3") as gallery:
        gallery.enroll("Ann", photos_of(1, 2), details=details)
        gallery.enroll("Bob", photos_of(2))
        gallery.note("Ann", PersonDetails(metadata={"floor": 3}, groups=["staff"]))
        gallery.rename("Ann", "Anna")
        told = gallery.person("Anna")
        assert gallery.person_by_external_id(" 4711 ") == told
        assert gallery.person_by_external_id("4712") is None
        assert list(gallery.people()) == [told, gallery.person("Bob")]
        assert gallery.groups() == {"staff": 1}
        assert told.to_dict() == {
            "identity": "Anna",
            "uid": told.uid,
            "n_photos": 2,
            "enrolled_at": told.enrolled_at,
            "external_id": "4711",
            "metadata": {"floor": 3},
            "groups": ("staff",),
            "consent": dataclasses.asdict(consent),
            "retain_until": None,
            "expires_at": "2097-11-30T00:00:00+00:00",
        }
        entries = [(e.entry.actor, e.entry.action) for e in gallery.audit.entries()]
        actions = ["create", "enroll", "enroll", "note", "rename"]
        assert entries == [("door 3", action) for action in actions]
        with pytest.raises(IdentityNotFoundError):
            gallery.person("Ann")
        with pytest.raises(IdentityNotFoundError):
            gallery.rename("Ann", "Cid")
        with pytest.raises(IdentityNotFoundError):
            gallery.note("Ann", PersonDetails())


def test_a_name_or_external_id_of_somebody_else_is_refused(
    path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    seven = PersonDetails(external_id="7")
    with Gallery.open(path, space=space) as gallery:
        gallery.enroll("Ann", photos_of(1), details=seven)
        gallery.enroll("Bob", photos_of(2))
        with pytest.raises(InputError, match="'Bob' is enrolled already"):
            gallery.rename("Ann", " Bob ")
        gallery.rename("Ann", "Ann")
        for call in (
            lambda: gallery.note("Bob", seven),
            lambda: gallery.enroll("Cid", photos_of(3), details=seven),
        ):
            with pytest.raises(InputError, match="'7' belongs to 'Ann'"):
                call()
        gallery.enroll("Ann", photos_of(1, 1, first=1), details=seven)
        assert [(p.identity, p.n_photos) for p in gallery.identities()] == [("Ann", 2), ("Bob", 1)]
        assert gallery.check() == []


def test_a_search_and_its_threshold_can_be_limited_to_groups(
    path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    table = ThresholdTable(
        tuple(Threshold(s, fmr=f, n_impostor=10**6) for s, f in ((0.3, 1e-2), (0.6, 2e-3)))
    )
    with Gallery.open(path, space=space) as gallery:
        for number in range(5):
            groups = ["even"] if number % 2 == 0 else ["odd", "few"]
            gallery.enroll(f"p{number}", photos_of(number), details=PersonDetails(groups=groups))
        [found] = gallery.search(photos_of(3), rank=9, groups=["even"])
        assert {candidate.identity for candidate in found} == {"p0", "p2", "p4"}
        [found] = gallery.search(photos_of(3), rank=9, groups=["odd", "few", "none"])
        assert [candidate.identity for candidate in found] == ["p3", "p1"]
        assert gallery.search(photos_of(3), groups=[]) == [()]
        assert gallery.threshold(table).similarity == 0.6
        assert gallery.threshold(table, groups=["few"], fpir=0.02).similarity == 0.3
        gallery.note("p3", PersonDetails(groups=["even"]))
        [found] = gallery.search(photos_of(3), groups=["even"])
        assert found[0].identity == "p3"


def test_a_new_name_is_seen_by_who_found_the_old_one(
    path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    with Gallery.open(path, space=space) as gallery, Gallery.open(path) as other:
        gallery.enroll("Ann", photos_of(1))
        assert other.search(photos_of(1))[0][0].identity == "Ann"
        gallery.rename("Ann", "Anna")
        assert other.search(photos_of(1))[0][0].identity == "Anna"
        assert other.template_set().identities == ("Anna",)


def test_answers_are_those_of_comparing_with_every_template(
    path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    with Gallery.open(path, space=space) as gallery:
        for number in range(40):
            gallery.enroll(f"p{number}", photos_of(number % 20 + 100 * (number == 39), 2))
        for number in (3, 17, 22):
            gallery.remove(f"p{number}")
        gallery.enroll("p5", photos_of(5, 3)[2:])
        probe = Embeddings.concatenate([photos_of(number) for number in range(20)])
        for rank in (1, 5, 100):
            assert gallery.search(probe, rank=rank) == search(
                probe, gallery.template_set(), rank=rank
            )


def test_a_gallery_with_a_master_key_opens_with_it_only(
    path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    key = MasterKey(bytes(range(32)))
    with Gallery.open(path, space=space, key=key) as gallery:
        gallery.enroll("Ann", photos_of(1))
        assert gallery.protected
    for wrong in (None, MasterKey(bytes(32))):
        with pytest.raises(GalleryKeyError):
            Gallery.open(path, key=wrong)
    with Gallery.open(path, key=key) as gallery:
        assert gallery.search(photos_of(1))[0][0].identity == "Ann"
    plain = path.with_name("plain.db")
    with Gallery.open(plain, space=space) as gallery:
        assert not gallery.protected
    with pytest.raises(GalleryKeyError):
        Gallery.open(plain, key=key)


def test_photos_that_disagree_can_be_forced_in_and_stay(
    tmp_path: Path, space: EmbeddingSpace, photos_of: Callable[..., Embeddings]
) -> None:
    strangers = Embeddings.concatenate([photos_of(0), photos_of(1)])
    path = tmp_path / "people.db"
    with Gallery.open(path, space=space) as gallery:
        with pytest.raises(InputError, match="disagree"):
            gallery.enroll("Ann", strangers)
        assert gallery.enroll("Ann", strangers, force=True).added == 2
    with Gallery.open(path) as gallery:
        middle = strangers.vectors.astype(np.float64).mean(axis=0)
        (template,) = gallery.template_set().vectors
        assert template @ (middle / np.linalg.norm(middle)) > 0.99
        # More photos of hers are judged by hand from now on, too.
        assert gallery.enroll("Ann", photos_of(0, 1, first=5)).added == 1
        assert gallery.check() == []


def test_people_can_be_changed_while_they_are_listed(
    path: Path,
    space: EmbeddingSpace,
    photos_of: PhotosOf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vultus.gallery.people.roster.PAGE", 2)
    with Gallery.open(path, space=space) as gallery, Gallery.open(path) as other:
        for number in range(5):
            gallery.enroll(f"p{number}", photos_of(number))
        for person in gallery.people():
            gallery.rename(person.identity, person.identity.upper())
            if person.identity == "p1":
                other.remove("p3")
                other.enroll("p9", photos_of(9))
        assert [person.identity for person in other.people()] == ["P0", "P1", "P2", "P4", "P9"]


def test_who_is_expected_is_enrolled_and_nobody_else(
    tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    with Gallery.open(tmp_path / "people.db", space=space) as gallery:
        gallery.expecting(None).enroll("Ann", photos_of(0, 1))
        with pytest.raises(NameTakenError, match="is enrolled in"):
            gallery.expecting(None).enroll(" Ann ", photos_of(0, 1, first=5))
        ann = gallery.expecting(gallery.person("Ann").uid)
        ann.enroll("Ann", photos_of(0, 1, first=5))
        gallery.rename("Ann", "Anne")
        gallery.enroll("Ann", photos_of(1, 1))
        for name in ("Ann", "Nobody"):
            with pytest.raises(IdentityNotFoundError):
                ann.enroll(name, photos_of(0, 1, first=9))
        assert [person.n_photos for person in gallery.people()] == [2, 1]


def test_what_was_noted_can_be_taken_back(
    tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    consent = Consent(given_at="2026-01-01", purpose="door", until="2097-01-01")
    with Gallery.open(tmp_path / "people.db", space=space) as gallery:
        details = PersonDetails(external_id="1", consent=consent, retain_until="2097-01-01")
        gallery.enroll("Ann", photos_of(0, 1), details=details)
        gallery.note("Ann", PersonDetails(external_id="", consent="", retain_until=""))
        ann = gallery.person("Ann")
        assert (ann.external_id, ann.consent, ann.expires_at) == (None, None, None)
        assert gallery.person_by_external_id("1") is None
        gallery.enroll("Bob", photos_of(1, 1), details=PersonDetails(external_id="1"))
        assert gallery.check() == []


def test_metadata_that_is_no_text_is_refused_where_it_is_given() -> None:
    with pytest.raises(InputError, match="must be a dict that is JSON"):
        PersonDetails(metadata={"desk": "\ud800"})
    deep: dict[str, object] = {}
    for _ in range(5000):
        deep = {"a": deep}
    for far in (deep, {"a": (deep,)}):
        with pytest.raises(InputError, match="must be nested 32 deep at most"):
            PersonDetails(metadata=far)
    nested: dict[str, object] = {"a": [1]}
    for _ in range(30):
        nested = {"a": [], "b": nested}
    assert PersonDetails(metadata=nested).metadata == nested
    with pytest.raises(InputError, match="nested 32 deep"):
        PersonDetails(metadata={"a": nested})


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"])
def test_a_time_that_is_none_in_utc_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="must be a time like"):
        PersonDetails(retain_until=text)
