import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.core.faces import Faces, Image
from vultus.core.results import Candidate, Identification
from vultus.core.thresholds import Threshold
from vultus.image import draw
from vultus.image.draw import FACE_COLOURS, draw_faces, draw_identified

GROUNDS = {
    "black": np.zeros((300, 400, 3), np.uint8),
    "white": np.full((300, 400, 3), 255, np.uint8),
    "noise": np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8),
    "blue": np.tile(np.array(FACE_COLOURS[0], np.uint8), (300, 400, 1)),
}


def faces_at(*boxes: tuple[float, float, float, float]) -> Faces:
    corners = np.array(boxes, np.float32).reshape(-1, 4)
    shares = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)
    points = corners[:, None, :2] + shares * (corners[:, None, 2:] - corners[:, None, :2])
    return Faces(corners, points.astype(np.float32), np.ones(len(corners), np.float32))


def luminance(image: Image) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.asarray(image @ np.array([0.2126, 0.7152, 0.0722]))


def test_the_photo_itself_is_not_changed_and_nothing_far_from_the_face_either() -> None:
    ground = GROUNDS["noise"].copy()
    drawn = draw_faces(ground, faces_at((100, 100, 200, 220)), captions=["Ada"])
    np.testing.assert_array_equal(ground, GROUNDS["noise"])
    assert not np.shares_memory(drawn, ground)
    assert drawn.flags.writeable
    changed = np.argwhere((drawn != ground).any(axis=2))
    assert changed[:, 0].max() < 226
    assert changed[:, 1].min() > 94
    np.testing.assert_array_equal(draw_faces(ground, Faces.empty(), captions=[]), ground)


@pytest.mark.parametrize("ground", GROUNDS, ids=str)
def test_boxes_landmarks_and_captions_stand_out_on_any_ground(ground: str) -> None:
    image = GROUNDS[ground]
    face = faces_at((100, 100, 200, 220))
    drawn = draw_faces(image, face, captions=["unknown"])
    colour = np.array(FACE_COLOURS[0])
    for x, y in [(100.0, 160.0), *face.landmarks[0].tolist()]:
        patch = drawn[int(y) - 5 : int(y) + 6, int(x) - 5 : int(x) + 6].astype(int)
        assert (np.abs(patch - colour).sum(axis=2) < 30).any()
        assert (patch.sum(axis=2) < 30).any()  # the dark rim
    label = drawn[84:98, 103:140]
    assert luminance(label).max() - luminance(label).min() > 100  # ink on the label's ground


def test_faces_take_different_colours_in_turn() -> None:
    faces = faces_at(*[(5 + 45 * i, 50, 40 + 45 * i, 100) for i in range(7)])
    drawn = draw_faces(GROUNDS["black"], faces)
    sides = [tuple(drawn[75, int(box[0])]) for box in faces.boxes]
    assert sides[:6] == list(FACE_COLOURS)
    assert sides[6] == FACE_COLOURS[0]


def test_lines_and_text_grow_with_the_photo() -> None:
    def changed_share(scale: int) -> float:
        image = np.zeros((300 * scale, 400 * scale, 3), np.uint8)
        box = tuple(scale * v for v in (100.0, 100.0, 200.0, 220.0))
        drawn = draw_faces(image, faces_at(box), captions=["who"])  # type: ignore[arg-type]
        return float((drawn != image).any(axis=2).mean())

    assert changed_share(8) == pytest.approx(changed_share(4), rel=0.1)


@pytest.mark.parametrize(
    "box",
    [
        (-50, -60, 40, 50),
        (380, 280, 500, 400),
        (150, 2, 250, 100),
        (10, 10, 10, 10),
        (90, 90, 9, 9),
    ],
)
def test_captions_stay_inside_the_photo(box: tuple[float, float, float, float]) -> None:
    image = GROUNDS["black"]
    with_text = draw_faces(image, faces_at(box), captions=["caption"])
    differs = (with_text != draw_faces(image, faces_at(box))).any(axis=2)
    rows, columns = np.nonzero(differs)
    assert np.ptp(rows) > 9
    assert np.ptp(columns) > 30


def test_a_caption_longer_than_the_photo_and_several_lines_are_cut() -> None:
    one = draw_faces(GROUNDS["white"], faces_at((50, 50, 90, 90)), captions=["a" * 500])
    assert one.shape == (300, 400, 3)
    first = draw_faces(GROUNDS["white"], faces_at((50, 50, 90, 90)), captions=["ab"])
    both = draw_faces(GROUNDS["white"], faces_at((50, 50, 90, 90)), captions=["ab\ncd"])
    np.testing.assert_array_equal(first, both)


def test_without_a_system_font_accents_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw, "_system_fonts", lambda size_px: ())
    draw._set_in.cache_clear()
    face = faces_at((50, 50, 90, 90))
    accented = draw_faces(GROUNDS["white"], face, captions=["Zoë Müller 日"])
    plain = draw_faces(GROUNDS["white"], face, captions=["Zoe Muller ?"])
    np.testing.assert_array_equal(accented, plain)


def test_a_name_is_set_in_a_font_that_has_its_letters() -> None:
    fonts = draw._system_fonts(14)
    if not fonts:
        pytest.skip("no usual font of the system is installed")
    draw._set_in.cache_clear()
    font, line = draw._set_in("Ada 0.93", 14)
    assert (font, line) == (fonts[0], "Ada 0.93")
    # A letter that no font has becomes a mark that can be read, never an empty box.
    assert draw._set_in("Ada \U0010fffe", 14)[1] == "Ada ?"
    _, chinese = draw._set_in("祖冲之 0.93", 14)
    has = [bytes(one.getmask("祖")) != bytes(one.getmask(draw._NO_GLYPH)) for one in fonts]
    assert chinese == ("祖冲之 0.93" if any(has) else "??? 0.93")


def test_a_wrong_number_of_captions_and_a_wrong_image_are_refused() -> None:
    with pytest.raises(InputError, match="captions must be 1, one per face, got 2"):
        draw_faces(GROUNDS["white"], faces_at((5, 5, 9, 9)), captions=["a", "b"])
    with pytest.raises(InputError, match="image must be uint8"):
        draw_faces(np.zeros((4, 4), np.uint8), Faces.empty())


def test_names_are_drawn_and_strangers_are_unknown() -> None:
    rule = Threshold(0.5)
    answers = [
        Identification((Candidate("Ada", 0.91),), rule, fpir=None, gallery_size=1),
        Identification((Candidate("Ada", 0.2),), rule, fpir=None, gallery_size=1),
        Identification((Candidate("Ada", 0.9),), rule, None, 1, refusal=("too dark",)),
    ]
    faces = faces_at((20, 60, 100, 140), (140, 60, 220, 140), (260, 60, 340, 140))
    ground = GROUNDS["black"]
    named = draw_faces(ground, faces, captions=["Ada 0.91", "unknown", "unknown"])
    np.testing.assert_array_equal(draw_identified(ground, faces, answers), named)
    with pytest.raises(InputError, match="one per face"):
        draw_identified(ground, faces, answers[:2])
