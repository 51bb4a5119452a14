import io

import httpx
import numpy as np
import pytest
from PIL import Image as PilImage
from tests.server.conftest import jpeg

from vultus.core.faces import Image
from vultus.server.context import Context


def test_detect_tells_what_the_library_tells(
    admin: httpx.Client, context: Context, hopper: Image
) -> None:
    buffer = io.BytesIO()
    PilImage.fromarray(hopper).save(buffer, "PNG")
    (face,) = admin.post("/v1/detect", files={"photo": buffer.getvalue()}).json()["faces"]
    found = context.recognizer.detect(hopper)
    assert face["box_xyxy"] == pytest.approx(found.boxes[0].tolist())
    assert face["score"] == pytest.approx(float(found.scores[0]))


def test_verify(admin: httpx.Client, hopper_jpeg: bytes, collins_jpeg: bytes) -> None:
    same = admin.post("/v1/verify?fmr=0.01", files={"a": hopper_jpeg, "b": hopper_jpeg}).json()
    assert same["same_person"] is True
    assert same["similarity"] == pytest.approx(1, abs=1e-5)
    assert same["threshold"]["fmr"] == 0.01
    other = admin.post("/v1/verify?fmr=0.01", files={"a": hopper_jpeg, "b": collins_jpeg}).json()
    assert other["same_person"] is False


def test_what_is_no_pair_of_photos_is_told(
    admin: httpx.Client, hopper_jpeg: bytes, rocket_jpeg: bytes
) -> None:
    one = admin.post("/v1/verify", files={"a": hopper_jpeg})
    assert one.status_code == 422
    assert "'b'" in one.json()["detail"]
    empty = admin.post("/v1/verify", files={"a": hopper_jpeg, "b": b""})
    assert empty.json()["code"] == "unreadable-photo"
    nobody = admin.post("/v1/verify", files={"a": hopper_jpeg, "b": rocket_jpeg})
    assert nobody.json()["code"] == "no-face"


def test_pixels_are_counted_before_they_are_decoded(admin: httpx.Client) -> None:
    buffer = io.BytesIO()
    PilImage.fromarray(np.zeros((1001, 1000), np.uint8)).save(buffer, "PNG")
    answer = admin.post("/v1/detect", files={"photo": buffer.getvalue()})
    assert answer.status_code == 422
    assert answer.json()["code"] == "unreadable-photo"
    assert "pixels" in answer.json()["detail"]


def test_a_photo_with_too_many_faces_is_refused_everywhere(
    admin: httpx.Client,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    hopper: Image,
    collins: Image,
    hopper_jpeg: bytes,
) -> None:
    assert context.recognizer.most_faces == context.settings.most_faces
    monkeypatch.setattr(context.recognizer, "most_faces", 1)
    both = jpeg(np.concatenate([hopper[:512], collins[:512]], axis=1))
    gallery = "/v1/galleries/people"
    answers = [
        admin.post("/v1/detect", files={"photo": both}),
        admin.post("/v1/verify", files={"a": hopper_jpeg, "b": both}),
        admin.post(f"{gallery}/identify", files={"photo": both}),
    ]
    assert [answer.json()["code"] for answer in answers] == ["too-many-faces"] * 3
    files = [("photos", both), ("photos", hopper_jpeg)]
    made = admin.post(f"{gallery}/people", data={"name": "Grace"}, files=files).json()
    assert [photo["code"] for photo in made["refused"]] == ["too-many-faces"]
    assert made["added"] == 1


def test_quality_tells_what_the_library_measures(
    admin: httpx.Client, context: Context, hopper: Image, hopper_jpeg: bytes
) -> None:
    (face,) = admin.post("/v1/quality", files={"photo": hopper_jpeg}).json()["faces"]
    seen = next(context.recognizer.analyse([hopper_jpeg]))
    (measures,) = seen.quality.to_dicts()
    assert face["measures"] == measures
    assert face["quality"] == pytest.approx(float(seen.quality.score[0]))
    assert admin.post("/v1/detect", files={"photo": hopper_jpeg}).json()["faces"] == [
        {name: face[name] for name in ("box_xyxy", "score", "refusal")}
    ]


def test_vectors_are_told_with_their_space(
    admin: httpx.Client, context: Context, hopper_jpeg: bytes
) -> None:
    told = admin.post("/v1/embeddings", files={"photo": hopper_jpeg}).json()
    vectors = context.recognizer.embed(hopper_jpeg)
    assert told["space"] == vectors.space.to_dict()
    assert told["faces"][0]["vector"] == pytest.approx(vectors.vectors[0].tolist(), abs=1e-6)
    assert np.linalg.norm(told["faces"][0]["vector"]) == pytest.approx(1, abs=1e-5)


def test_several_photos_are_answered_as_each_alone(
    admin: httpx.Client, hopper_jpeg: bytes, collins_jpeg: bytes, rocket_jpeg: bytes
) -> None:
    sent = [hopper_jpeg, b"no photo", rocket_jpeg]
    files = [("photos", photo) for photo in sent]
    told = admin.post("/v1/detect/photos", files=files).json()["photos"]
    assert [photo["photo"] for photo in told] == [1, 2, 3]
    assert told[1]["problem"]["code"] == "unreadable-photo"
    for place in (0, 2):
        alone = admin.post("/v1/detect", files={"photo": sent[place]}).json()
        assert told[place] == {"photo": place + 1, "problem": None, **alone}
    many = admin.post("/v1/detect/photos", files=[("photos", collins_jpeg)] * 4)
    assert many.json()["code"] == "too-many-photos"
