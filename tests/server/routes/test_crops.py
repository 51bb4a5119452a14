import io

import httpx
import numpy as np
from PIL import Image as PilImage

from vultus.core.faces import Image
from vultus.server.context import Context


def test_the_crop_is_what_the_model_gets(
    admin: httpx.Client, context: Context, hopper: Image
) -> None:
    buffer = io.BytesIO()
    PilImage.fromarray(hopper).save(buffer, "PNG")
    answer = admin.post("/v1/crop", files={"photo": buffer.getvalue()})
    assert answer.headers["content-type"] == "image/png"
    crop = np.asarray(PilImage.open(io.BytesIO(answer.content)))
    (seen,) = context.recognizer.analyse([hopper])
    np.testing.assert_array_equal(crop, seen.crops.pixels[0])


def test_what_shows_nobody_has_no_crop(admin: httpx.Client, rocket_jpeg: bytes) -> None:
    answer = admin.post("/v1/crop", files={"photo": rocket_jpeg})
    assert answer.status_code == 422
    assert answer.json()["code"] == "no-face"
