from pathlib import Path

import pytest

from vultus.core.errors import CalibrationError, IdentityNotFoundError
from vultus.core.faces import Image
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
