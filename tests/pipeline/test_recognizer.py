import copy
import dataclasses
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.liveness.fakes import by_brightness

from vultus.core.embeddings import Embeddings
from vultus.core.errors import (
    AlreadyEnrolledError,
    CalibrationError,
    GallerySpaceError,
    ImageError,
    InputError,
    LivenessError,
    ModelNotFoundError,
    NoFaceError,
    QualityError,
    SeveralFacesError,
    SpaceMismatchError,
    VultusError,
)
from vultus.core.faces import Faces, Image
from vultus.core.thresholds import Threshold, ThresholdTable
from vultus.embedding.embedder import Committee, Embedder, open_embedder
from vultus.gallery.gallery import Gallery
from vultus.image.io import write_image
from vultus.liveness.session.proof import LiveProof, make_token
from vultus.matching.calibration import Calibration
from vultus.models.committee import Member
from vultus.models.store import ModelStore
from vultus.pipeline.enrolment import enroll_folder
from vultus.pipeline.photos import Skipped
from vultus.pipeline.recognizer import Recognizer
from vultus.quality.gate import QualityGate


@pytest.fixture(scope="module")
def recognizer(tiny_embedder: Embedder) -> Recognizer:
    return Recognizer(embedder=tiny_embedder, threads=1)


@pytest.fixture(scope="module")
def together(hopper: Image, collins: Image) -> Image:
    height = min(len(hopper), len(collins))
    return np.concatenate([hopper[:height], collins[:height]], axis=1)


def shrunk(image: Image, factor: float) -> Image:
    return np.asarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA))


def test_a_photo_verifies_with_itself_and_the_answer_names_its_error_rate(
    recognizer: Recognizer, hopper: Image
) -> None:
    answer = recognizer.verify(hopper, hopper, fmr=1e-3)
    assert answer.same_person
    assert answer.similarity == pytest.approx(1, abs=1e-5)
    assert answer.threshold.similarity == 0.9
    assert answer.threshold.n_impostor == 30_000


def test_two_people_are_less_alike_than_one_and_the_threshold_can_be_given(
    recognizer: Recognizer, hopper: Image, collins: Image
) -> None:
    other = recognizer.verify(hopper, collins)
    same = recognizer.verify(hopper, hopper[:, ::-1].copy(), threshold=0.0)
    assert other.similarity < same.similarity
    assert same.threshold.similarity == 0
    assert same.fmr is None


def test_what_was_not_measured_is_not_promised(recognizer: Recognizer, hopper: Image) -> None:
    with pytest.raises(CalibrationError, match=r"fmr=0\.0001"):
        recognizer.verify(hopper, hopper, fmr=1e-6)


def test_a_photo_without_a_face_is_never_verified(
    recognizer: Recognizer, hopper: Image, rocket: Image
) -> None:
    with pytest.raises(NoFaceError, match="photo 2"):
        recognizer.verify(hopper, rocket)


def test_a_group_photo_needs_a_rule(recognizer: Recognizer, hopper: Image, together: Image) -> None:
    with pytest.raises(SeveralFacesError, match="2 faces"):
        recognizer.verify(together, hopper)
    assert recognizer.verify(together, hopper, select="largest") is not None


def test_a_second_face_that_cannot_be_judged_stops_nothing(
    recognizer: Recognizer, tiny_embedder: Embedder, hopper: Image, collins: Image
) -> None:
    photo = hopper.copy()
    tiny = shrunk(collins, 0.16)
    photo[-len(tiny) :, -tiny.shape[1] :] = tiny
    assert len(recognizer.detect(photo)) == 2
    answer = recognizer.verify(photo, hopper)
    assert answer.same_person
    (told,) = answer.notes
    assert told.startswith("photo 1: face 1 is meant, others cannot be judged: face 2: inter-eye")
    assert answer.to_dict()["notes"] == [told]
    assert recognizer.verify(hopper, hopper).notes == ()
    assert len(recognizer.embed_face(photo)) == 1
    with pytest.raises(SeveralFacesError):
        Recognizer(embedder=tiny_embedder, gate=None, threads=1).embed_face(photo)
    both_tiny = np.concatenate([tiny, tiny], axis=1)
    with pytest.raises(
        QualityError, match=r"none of the 2 faces in photo 2 .* face 1: .* face 2: "
    ):
        recognizer.verify(hopper, both_tiny)


def test_a_tiny_face_is_refused_with_the_reason_and_compared_without_the_gate(
    recognizer: Recognizer, tiny_embedder: Embedder, hopper: Image
) -> None:
    tiny = shrunk(hopper, 0.12)
    with pytest.raises(QualityError, match="inter-eye distance"):
        recognizer.verify(tiny, hopper)
    ungated = Recognizer(embedder=tiny_embedder, gate=None, threads=1)
    assert -1 <= ungated.verify(tiny, hopper).similarity <= 1


def test_the_least_norm_on_a_models_card_is_part_of_the_gate(
    tiny_embedder: Embedder, hopper: Image
) -> None:
    norm = float(Recognizer(embedder=tiny_embedder, threads=1).embed(hopper).norms[0])
    demanding = copy.copy(tiny_embedder)
    demanding.card = dataclasses.replace(tiny_embedder.card, min_norm=2 * norm)
    with pytest.raises(QualityError, match="embedding norm"):
        Recognizer(embedder=demanding, threads=1).embed_face(hopper)
    switched_off = Recognizer(embedder=demanding, gate=QualityGate(min_norm=0), threads=1)
    assert len(switched_off.embed_face(hopper)) == 1


def test_faces_of_a_group_get_the_embeddings_that_they_get_alone(
    recognizer: Recognizer, hopper: Image, collins: Image, together: Image
) -> None:
    photos = list(recognizer.analyse([hopper, together, collins]))
    assert [len(photo.faces) for photo in photos] == [1, 2, 1]
    for photo, source in zip(photos, [hopper, together, collins], strict=True):
        alone = recognizer.embed(source)
        np.testing.assert_allclose(photo.embeddings.vectors, alone.vectors, atol=1e-5)
        assert photo.embeddings.quality is not None
        np.testing.assert_array_equal(photo.embeddings.quality, photo.quality.score)


def test_analyse_goes_on_past_broken_photos(
    recognizer: Recognizer, tmp_path: Path, hopper: Image, rocket: Image
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"nothing")
    errors: dict[str, VultusError] = {}
    photos = list(recognizer.analyse([broken, hopper, rocket], on_error=errors.__setitem__))
    assert [len(photo.faces) for photo in photos] == [1, 0]
    assert isinstance(errors[str(broken)], ImageError)
    with pytest.raises(ImageError):
        list(recognizer.analyse([broken]))


def test_enrol_and_identify_known_and_unknown(
    recognizer: Recognizer, tmp_path: Path, hopper: Image, together: Image
) -> None:
    with Gallery.open(tmp_path / "people.db", space=recognizer.embedder.space) as gallery:
        added = recognizer.enroll(gallery, "Grace", [hopper, np.ascontiguousarray(hopper[:560])])
        assert added == 2
        names = [answer.identity for answer in recognizer.identify(together, gallery)]
    assert sorted(name or "unknown" for name in names) == ["Grace", "unknown"]


def test_an_unfit_photo_stops_an_enrolment_unless_it_is_to_be_left_out(
    recognizer: Recognizer, tmp_path: Path, hopper: Image, rocket: Image
) -> None:
    with Gallery.open(tmp_path / "people.db", space=recognizer.embedder.space) as gallery:
        with pytest.raises(NoFaceError, match="photo 2"):
            recognizer.enroll(gallery, "Grace", [hopper, rocket])
        assert gallery.identities() == []
        errors: dict[str, VultusError] = {}
        photos = [hopper, rocket]
        added = recognizer.enroll(gallery, "Grace", photos, on_error=errors.__setitem__)
        assert added == 1
        assert list(errors) == ["photo 2"]


def test_no_name_of_a_person_or_photo_is_in_the_log(
    recognizer: Recognizer, tmp_path: Path, hopper: Image, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    photo, folder = tmp_path / "Marker-Photo.png", tmp_path / "people"
    write_image(photo, hopper)
    with recognizer.open_gallery(tmp_path / "g.db") as gallery:
        recognizer.enroll(gallery, "Marker-Person", [photo])
        recognizer.enroll(gallery, "Marker-Person", [photo])
        recognizer.enroll(gallery, "Marker-Double", [photo], force="doubles")
        (folder / "Marker-Folder").mkdir(parents=True)
        write_image(folder / "Marker-Folder" / "Marker-3.png", hopper)
        (folder / "Marker-Loose.mov").write_bytes(b"")
        with pytest.raises(AlreadyEnrolledError):
            enroll_folder(recognizer, gallery, folder)
    assert "left out" in caplog.text
    assert "looks like somebody else" in caplog.text
    assert "Marker" not in caplog.text


def test_a_photo_left_out_is_told_once(
    recognizer: Recognizer, tmp_path: Path, hopper: Image, caplog: pytest.LogCaptureFixture
) -> None:
    with Gallery.open(tmp_path / "people.db", space=recognizer.embedder.space) as gallery:
        recognizer.enroll(gallery, "Grace", [hopper, hopper], on_error=Skipped())
        assert caplog.text == ""
        recognizer.enroll(gallery, "Grace", [hopper])
    assert caplog.text.count("1 of 1 photos of somebody left out") == 1


def test_what_was_left_out_is_counted_by_reason(
    recognizer: Recognizer, tmp_path: Path, hopper: Image, rocket: Image, together: Image
) -> None:
    skipped = Skipped()
    photos = [hopper, hopper, rocket, together, together, shrunk(hopper, 0.12)]
    with Gallery.open(tmp_path / "people.db", space=recognizer.embedder.space) as gallery:
        assert recognizer.enroll(gallery, "Grace", photos, on_error=skipped) == 1
        upright = np.ascontiguousarray(hopper[::-1])
        recognizer.enroll(gallery, "Grace", [upright[::-1], b"nothing"], on_error=skipped)
    assert skipped.by_reason() == {
        "with several faces": 2,
        "enrolled before": 2,
        "not readable": 1,
        "without a face": 1,
        "too poor to judge": 1,
    }
    repeated = next(item for item in skipped.photos if item["reason"] == "enrolled before")
    assert repeated == {
        "photo": "photo 2", "error": "enrolled already", "reason": "enrolled before"
    }  # fmt: skip


def test_a_face_that_cannot_be_judged_is_not_named(
    tiny_embedder: Embedder, tmp_path: Path, hopper: Image
) -> None:
    strict = Recognizer(
        embedder=tiny_embedder, gate=QualityGate(min_inter_eye_px=10_000), threads=1
    )
    lenient = Recognizer(embedder=tiny_embedder, threads=1)
    with Gallery.open(tmp_path / "people.db", space=tiny_embedder.space) as gallery:
        lenient.enroll(gallery, "Grace", [hopper])
        assert lenient.identify(hopper, gallery)[0].identity == "Grace"
        answer = strict.identify(hopper, gallery)[0]
    assert answer.identity is None
    assert "needs 10000" in answer.refusal[0]


def test_a_gallery_of_another_space_is_refused(
    recognizer: Recognizer, tiny_model: Path, tmp_path: Path, hopper: Image
) -> None:
    flipped = open_embedder(tiny_model, flip="add", threads=1)
    with (
        Gallery.open(tmp_path / "people.db", space=flipped.space) as gallery,
        pytest.raises(GallerySpaceError, match="flip"),
    ):
        recognizer.identify(hopper, gallery)


def test_a_missing_model_is_named_with_a_way_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hopper: Image
) -> None:
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path))
    monkeypatch.setenv("VULTUS_MODELS_MIRROR", "")
    with pytest.raises(ModelNotFoundError, match="VULTUS_MODELS_MIRROR"):
        Recognizer(embedder="mobilefacenet-y1", threads=1).embed(hopper)


def test_any_object_that_detects_will_do(tiny_embedder: Embedder, hopper: Image) -> None:
    class Nothing:
        name = "nothing"

        def detect(self, image: Image) -> Faces:
            return Faces.empty()

        def detect_batch(self, images: object) -> list[Faces]:
            return [Faces.empty() for _ in images]  # type: ignore[attr-defined]

    recognizer = Recognizer(detector=Nothing(), embedder=tiny_embedder)
    assert len(recognizer.detect(hopper)) == 0
    assert len(recognizer.embed(hopper)) == 0
    with pytest.raises(NoFaceError):
        recognizer.embed_face(hopper)


@pytest.mark.models
def test_a_detector_can_be_given_another_model(mirror: Path, hopper: Image) -> None:
    assert len(Recognizer(detector="yunet:yunet-n-dynamic", threads=1).detect(hopper)) == 1


def test_a_model_for_a_detector_that_takes_none_is_refused(hopper: Image) -> None:
    with pytest.raises(InputError, match="no setting 'model'"):
        Recognizer(detector="mtcnn:yunet-n-dynamic").detect(hopper)


@pytest.mark.models
def test_the_public_embedder_tells_two_people_apart(
    mirror: Path, hopper: Image, collins: Image
) -> None:
    recognizer = Recognizer(threads=1)
    turned = cv2.warpAffine(
        hopper, cv2.getRotationMatrix2D((256, 300), 15, 1), (512, 600), borderMode=1
    )
    assert recognizer.verify(hopper, np.asarray(turned, np.uint8), fmr=1e-4).same_person
    assert not recognizer.verify(hopper, collins, fmr=1e-2).same_person


def test_a_used_recognizer_goes_to_other_processes_by_its_names(
    hopper: Image, tiny_model: Path
) -> None:
    used = Recognizer(embedder=tiny_model, threads=1)
    expected = used.embed(hopper)
    there = pickle.loads(pickle.dumps(used))
    assert there.gate == used.gate
    np.testing.assert_allclose(there.embed(hopper).vectors, expected.vectors, atol=1e-6)


def test_an_open_model_says_that_it_stays(tiny_model: Path) -> None:
    with pytest.raises(InputError, match="give the Recognizer the model's name"):
        pickle.dumps(Recognizer(embedder=open_embedder(tiny_model, threads=1)))


def test_a_gallery_alone_decides_as_the_recognizer_does(
    tiny_embedder: Embedder, tiny_calibration: Calibration, tmp_path: Path
) -> None:
    recognizer = Recognizer(embedder=tiny_embedder)
    recognizer.use_calibration(tiny_calibration)
    gallery = Gallery.open(tmp_path / "g.db", space=tiny_embedder.space)
    raw = np.random.default_rng(5).normal(size=(11, 32)) + 1
    probe, *people = Embeddings.from_raw(raw, gallery.space)
    for number, person in enumerate(people):
        gallery.enroll(f"p{number}", person)
    table, site = tiny_embedder.thresholds, tiny_calibration
    for fpir in (0.0075, 0.007, 0.005):  # measured, by formula, of the card
        rule = gallery.threshold(table, calibration=site, fpir=fpir)
        assert rule == recognizer.gallery_threshold(gallery, fpir=fpir)
        assert rule == recognizer.gallery_rule(fpir=fpir)(gallery.people_by_photos)
        [answer] = gallery.identify(probe, threshold=rule, fpir=fpir)
        assert (answer.threshold, answer.fpir) == (rule, fpir)
    rule = gallery.threshold(ThresholdTable(), calibration=site, fpir=0.0075)
    assert rule.origin == "FPIR 0.0075 among 10 people; this site"
    with pytest.raises(CalibrationError, match="takes a calibration on 600 people"):
        gallery.threshold(ThresholdTable(), calibration=site, fpir=0.005)


def test_a_calibration_of_another_space_decides_nothing_in_a_gallery(
    tiny_embedder: Embedder, tiny_calibration: Calibration, tmp_path: Path
) -> None:
    gallery = Gallery.open(tmp_path / "g.db", space=tiny_embedder.space)
    space = dataclasses.replace(tiny_calibration.space, model="other")
    other = dataclasses.replace(tiny_calibration, space=space)
    with pytest.raises(SpaceMismatchError, match="different model"):
        gallery.threshold(ThresholdTable(), calibration=other)


@pytest.fixture
def careful(tiny_embedder: Embedder, tiny_model: Path) -> Recognizer:
    """A recogniser whose card knows what the worst group needs."""
    origin = "inside the worst of 4 groups"
    cautious = ThresholdTable((Threshold(0.99, 1e-2, 10**6, origin),))
    card = dataclasses.replace(tiny_embedder.card, cautious=cautious)
    beside = tiny_model.with_suffix(".toml")
    kept = beside.read_text(encoding="utf-8")
    beside.write_text(card.to_toml(), encoding="utf-8")
    try:
        return Recognizer(embedder=open_embedder(tiny_model), threads=1)
    finally:
        beside.write_text(kept, encoding="utf-8")


def test_a_cautious_decision_holds_inside_the_worst_group(
    careful: Recognizer, hopper: Image, collins: Image, tmp_path: Path
) -> None:
    assert careful.threshold(1e-2).similarity == 0.8
    answer = careful.verify(hopper, collins, fmr=1e-2, cautious=True)
    assert (answer.threshold.similarity, answer.fmr) == (0.99, 1e-2)
    assert answer.threshold.origin == "inside the worst of 4 groups"
    with pytest.raises(CalibrationError, match=r"no threshold is measured at FMR <= 0\.001"):
        careful.verify(hopper, collins, fmr=1e-3, cautious=True)
    with Gallery.open(tmp_path / "g.db", space=careful.embedder.space) as gallery:
        careful.enroll(gallery, "Grace", [hopper])
        (found,) = careful.identify(hopper, gallery, fpir=0.01, cautious=True)
        assert (found.threshold.similarity, found.fpir, found.identity) == (0.99, 0.01, "Grace")
        ((_, (again,)),) = careful.identify_many([hopper], gallery, fpir=0.01, cautious=True)
        assert again.threshold == found.threshold
        careful.enroll(gallery, "Eileen", [collins])
        # Two people need a stricter rate than the card knows inside groups.
        with pytest.raises(CalibrationError, match="among 2 people needs a threshold of FMR"):
            careful.identify(hopper, gallery, fpir=0.01, cautious=True)
        assert careful.identify(hopper, gallery, fpir=0.01)[0].identity == "Grace"


def test_caution_without_evidence_is_refused(
    recognizer: Recognizer,
    careful: Recognizer,
    tiny_calibration: Calibration,
    hopper: Image,
    tmp_path: Path,
) -> None:
    with pytest.raises(CalibrationError, match="nobody measured groups"):
        recognizer.verify(hopper, hopper, cautious=True)
    with (
        Gallery.open(tmp_path / "g.db", space=recognizer.embedder.space) as gallery,
        pytest.raises(CalibrationError, match="nobody measured groups"),
    ):
        recognizer.identify(hopper, gallery, cautious=True)
    careful.use_calibration(tiny_calibration)
    with pytest.raises(CalibrationError, match="did not measure groups of people"):
        careful.verify(hopper, hopper, fmr=1e-2, cautious=True)


def test_the_stores_calibration_is_found_and_checked(
    tiny_embedder: Embedder,
    tiny_calibration: Calibration,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path))
    assert Recognizer(embedder=tiny_embedder).calibration is None
    path = ModelStore().calibration_path("tiny")
    path.parent.mkdir(parents=True)
    text = tiny_calibration.to_json()
    path.write_text(text, encoding="utf-8")
    recognizer = Recognizer(embedder=tiny_embedder)
    assert recognizer.threshold(1e-2).similarity == 0.7
    recognizer.use_calibration(None)
    assert recognizer.threshold(1e-2).similarity == 0.8
    path.write_text(text.replace(tiny_embedder.space.weights_sha256, "0" * 64), encoding="utf-8")
    with pytest.raises(SpaceMismatchError, match="weights_sha256"):
        Recognizer(embedder=tiny_embedder).threshold(1e-2)


def test_another_detector_is_warned_of(
    tiny_embedder: Embedder, tiny_calibration: Calibration, caplog: pytest.LogCaptureFixture
) -> None:
    data = dataclasses.replace(tiny_calibration.data, detector="yunet")
    found = dataclasses.replace(tiny_calibration, data=data)
    Recognizer(embedder=tiny_embedder, detector="yunet").use_calibration(found)
    assert caplog.text == ""
    Recognizer(embedder=tiny_embedder, detector="mtcnn").use_calibration(found)
    assert "found by yunet, not by mtcnn" in caplog.text


def test_a_committee_serves_gallery_and_calibration_like_any_model(
    tiny_embedder: Embedder, hopper: Image, collins: Image, tmp_path: Path
) -> None:
    other = Embedder(
        tiny_embedder._session, dataclasses.replace(tiny_embedder.card, name="other", std=9.0)
    )
    names = (Member("other", 0.4), Member(tiny_embedder.card.name, 0.6))
    recognizer = Recognizer(embedder=Committee([other, tiny_embedder], names), threads=1)
    with pytest.raises(CalibrationError):
        recognizer.threshold(1e-2)
    gallery = recognizer.open_gallery(tmp_path / "people.db")
    assert gallery.space == recognizer.embedder.space
    recognizer.enroll(gallery, "Grace", [hopper])
    recognizer.enroll(gallery, "Eileen", [collins])
    (answer,) = recognizer.identify(shrunk(hopper, 0.9), gallery, threshold=0.9)
    assert answer.identity == "Grace"
    with pytest.raises(GallerySpaceError):
        Recognizer(embedder=tiny_embedder).open_gallery(tmp_path / "people.db")
    gallery.close()


def test_two_faces_that_are_probably_covered_are_not_compared(
    tiny_embedder: Embedder, hopper: Image
) -> None:
    # The guess is above 0 for every face.
    strict = Recognizer(embedder=tiny_embedder, gate=QualityGate(max_both_occlusion=0), threads=1)
    with pytest.raises(QualityError, match=r"cannot be compared: both faces are probably covered"):
        strict.verify(hopper, hopper)
    for gate in (QualityGate(max_both_occlusion=None), None):
        answer = Recognizer(embedder=tiny_embedder, gate=gate, threads=1).verify(hopper, hopper)
        assert answer.same_person


def test_a_face_suspected_of_an_attack_is_refused_wherever_photos_are_judged(
    tiny_embedder: Embedder, hopper: Image, tmp_path: Path
) -> None:
    recognizer = Recognizer(embedder=tiny_embedder, liveness=by_brightness(0.25))
    dim = np.asarray(hopper * 0.3, np.uint8)
    answer = recognizer.verify(hopper, hopper, threshold=0.5, require_live=True)
    assert answer.same_person
    assert [signal.verdict for signal in answer.liveness] == ["no attack seen"] * 2
    assert answer.to_dict()["liveness"][0]["threshold"]["score"] == 0.25
    with pytest.raises(LivenessError, match="a presentation attack is suspected"):
        recognizer.verify(hopper, dim, threshold=0.5)
    with pytest.raises(LivenessError, match="a presentation attack is suspected"):
        recognizer.embed_face(dim)
    with Gallery.open(tmp_path / "people.db", space=tiny_embedder.space) as gallery:
        recognizer.enroll(gallery, "Grace", [hopper])
        (found,) = recognizer.identify(dim, gallery, threshold=0.5)
        assert found.identity is None
        assert "a presentation attack is suspected" in found.refusal[-1]
        with pytest.raises(QualityError, match="a presentation attack is suspected"):
            recognizer.enroll(gallery, "Grace", [dim])


def test_require_live_asks_for_the_usual_networks(
    recognizer: Recognizer, hopper: Image, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path))
    monkeypatch.delenv("VULTUS_MODELS_MIRROR", raising=False)
    with pytest.raises(ModelNotFoundError, match="minifasnet-v2"):
        recognizer.verify(hopper, hopper, threshold=0.5, require_live=True)
    monkeypatch.setattr(
        "vultus.pipeline.recognizer.open_passive_liveness", lambda **_: by_brightness(0.25)
    )
    fresh = Recognizer(embedder=recognizer.embedder)
    assert fresh.verify(hopper, hopper, threshold=0.5, require_live=True).same_person
    with pytest.raises(QualityError, match="a presentation attack is suspected"):
        fresh.verify(hopper, hopper // 4, threshold=0.5, require_live=True)
    assert fresh.verify(hopper, hopper // 4, threshold=-1).same_person  # not asked, not looked


def test_a_decision_may_demand_the_person_of_an_accepted_session(
    tiny_embedder: Embedder, hopper: Image, collins: Image, tmp_path: Path
) -> None:
    recognizer = Recognizer(embedder=tiny_embedder, threads=1)
    key = b"k" * 32

    def proof(face: Embeddings, *, now_s: float | None = None) -> LiveProof:
        token = make_token(face, key=key, session="s1", now_s=now_s)
        return LiveProof(token=token, embeddings=face, key=key)

    grace, other = recognizer.embed_face(hopper), recognizer.embed_face(collins)
    mine, theirs = proof(grace), proof(other)
    assert recognizer.verify(hopper, hopper, threshold=0.5, live_session=mine).same_person
    with pytest.raises(QualityError, match="not the person of the liveness session"):
        recognizer.verify(hopper, hopper, threshold=0.5, live_session=theirs)
    with pytest.raises(QualityError, match="expired"):
        recognizer.verify(hopper, hopper, live_session=proof(grace, now_s=0))
    with Gallery.open(tmp_path / "people.db", space=tiny_embedder.space) as gallery:
        recognizer.enroll(gallery, "Grace", [hopper])
        (found,) = recognizer.identify(hopper, gallery, threshold=0.5, live_session=mine)
        assert found.identity == "Grace"
        (found,) = recognizer.identify(hopper, gallery, threshold=0.5, live_session=theirs)
        assert found.identity is None
        assert "not the person of the liveness session" in found.refusal[-1]
