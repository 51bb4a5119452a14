from pathlib import Path

import pytest

from vultus.core.errors import CalibrationError, IdentityNotFoundError, PersonExpiredError
from vultus.core.faces import Image
from vultus.gallery.people.details import Consent, PersonDetails
from vultus.matching.operating_point import threshold_for_gallery
from vultus.pipeline.person_check import verify_person
from vultus.pipeline.recognizer import Recognizer


def test_a_photo_is_compared_with_one_persons_template(
    hopper: Image, collins: Image, tiny_model: Path, tmp_path: Path
) -> None:
    recognizer = Recognizer(embedder=tiny_model, gate=None)
    with recognizer.open_gallery(tmp_path / "g.db") as gallery:
        recognizer.enroll(gallery, "Grace", [hopper, hopper[:, ::-1]], force=True)
        recognizer.enroll(gallery, "Eileen", [collins], force=True)
        answer = verify_person(recognizer, gallery, "Grace", hopper, fmr=1e-2)
        place = gallery.template_set().identities.index("Grace")
        template = gallery.template_set().vectors[place]
        probe = recognizer.embed_face(hopper)
        assert answer.similarity == pytest.approx(float(probe.vectors[0] @ template), abs=1e-6)
        n_photos = gallery.person("Grace").n_photos
        table, site = recognizer.rules()
        rule = threshold_for_gallery(
            table, fpir=1e-2, people_by_photos={n_photos: 1}, calibration=site
        )
        assert answer.threshold == rule
        other = verify_person(recognizer, gallery, "Grace", collins, threshold=0.9999)
        assert (other.same_person, other.fmr) == (False, None)
        with pytest.raises(IdentityNotFoundError, match="Grace"):
            verify_person(recognizer, gallery, "Grase", hopper)
        with pytest.raises(CalibrationError):
            verify_person(recognizer, gallery, "Grace", hopper, fmr=1e-9)


def test_nobody_is_compared_with_whose_consent_is_over(
    hopper: Image, tiny_model: Path, tmp_path: Path
) -> None:
    recognizer = Recognizer(embedder=tiny_model, gate=None)
    with recognizer.open_gallery(tmp_path / "g.db") as gallery:
        recognizer.enroll(gallery, "Grace", [hopper])
        assert verify_person(recognizer, gallery, "Grace", hopper, threshold=0.9).same_person
        consent = Consent(given_at="2018-01-01", purpose="door", until="2019-06-01")
        gallery.note("Grace", PersonDetails(consent=consent))
        with pytest.raises(PersonExpiredError, match="the consent of 'Grace' ended on 2019-06-01"):
            verify_person(recognizer, gallery, "Grace", "no such photo is looked at.jpg")
