import hashlib
import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score

from vultus.core.errors import InputError
from vultus.data import open_dataset
from vultus.data.decode import decode_image
from vultus.data.paint import landmark_template
from vultus.data.synthetic import SyntheticFaces
from vultus.data.synthetic.dataset import Split

DIGEST = """
import hashlib
from vultus.data.synthetic import SyntheticFaces
faces = SyntheticFaces(identities=3, images=2, seed=5)
for index in (5, 0, 3):
    print(hashlib.sha256(faces.image(index).tobytes()).hexdigest())
"""


def digest(image: np.ndarray) -> str:
    return hashlib.sha256(image.tobytes()).hexdigest()


def test_another_process_in_another_order_draws_the_same() -> None:
    faces = SyntheticFaces(identities=3, images=2, seed=5)
    here = [digest(faces.image(index)) for index in range(6)]
    there = subprocess.run(
        [sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True
    )
    assert there.stdout.split() == [here[5], here[0], here[3]]


def test_more_identities_or_images_leave_the_first_as_they_were() -> None:
    small, large = SyntheticFaces(identities=2, images=2), SyntheticFaces(identities=4, images=3)
    for label in range(2):
        for number in range(2):
            np.testing.assert_array_equal(
                small.image(label * 2 + number), large.image(label * 3 + number)
            )


def test_all_images_differ() -> None:
    faces = SyntheticFaces(identities=10, images=4)
    assert len({digest(faces.image(index)) for index in range(40)}) == 40


def test_splits_and_seeds_share_nobody() -> None:
    splits: tuple[Split, ...] = ("train", "validation", "test")
    people = [
        SyntheticFaces(identities=20, images=1, seed=seed, split=split).person(label)
        for split in splits
        for seed in (0, 1)
        for label in range(20)
    ]
    assert len({person.face_width for person in people}) == 120
    names = [SyntheticFaces(identities=2, images=1, split=split).identities for split in splits]
    assert names[0] == ("train-0", "train-1")
    assert not set(names[0]) & set(names[2])


def test_a_person_of_many_is_the_same_in_every_image() -> None:
    faces = SyntheticFaces(identities=3, images=4, difficulty=0.0)
    crops = np.stack([faces.image(index)[45:95, 35:78] for index in range(12)]).astype(float)
    apart = np.abs(crops[:, None] - crops[None]).mean(axis=(2, 3, 4))
    same = faces.labels[:, None] == faces.labels[None]
    assert apart[same].max() < 3
    assert apart[~same].min() > 6


def test_the_encoded_image_is_the_image() -> None:
    faces = SyntheticFaces(identities=2, images=2)
    encoded = faces.encoded(3)
    assert encoded[:8] == b"\x89PNG\r\n\x1a\n"
    np.testing.assert_array_equal(decode_image(encoded, "it"), faces.image(3))


@pytest.mark.parametrize(
    ("template", "size_hw"), [("arcface-112", (112, 112)), ("sphereface-112x96", (112, 96))]
)
def test_crops_have_the_templates_size_and_landmarks_near_its_places(
    template: str, size_hw: tuple[int, int]
) -> None:
    faces = SyntheticFaces(identities=5, images=3, template=template, difficulty=0.5)
    for index in range(15):
        assert faces.image(index).shape == (*size_hw, 3)
        landmarks = faces.landmarks(index)
        assert landmarks.dtype == np.float32
        assert (landmarks > 0).all()
        assert (landmarks < size_hw[::-1]).all()
        assert landmarks[0, 0] < landmarks[2, 0] < landmarks[1, 0]


def test_the_pupils_are_at_the_eye_landmarks() -> None:
    faces = SyntheticFaces(identities=30, images=1, difficulty=0.0)
    for index in range(30):
        image, eyes = faces.image(index), faces.landmarks(index)[:2]
        for x, y in np.rint(eyes).astype(int):
            assert image[y - 1 : y + 2, x - 1 : x + 2].max(axis=2).min() < 60


def test_without_errors_the_landmarks_centre_is_the_templates() -> None:
    faces = SyntheticFaces(identities=5, images=1, difficulty=0.0)
    target = landmark_template("arcface-112").points.mean(axis=0)
    for index in range(5):
        np.testing.assert_allclose(faces.landmarks(index).mean(axis=0), target, atol=1e-3)


def test_it_can_be_opened_by_name_and_sent_to_a_worker() -> None:
    faces = open_dataset(None, "synthetic", identities=2, images=3, seed=9)
    assert isinstance(faces, SyntheticFaces)
    assert faces.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert faces.source(4) == "synthetic train-1 image 1 (seed 9)"
    sent = pickle.loads(pickle.dumps(faces))
    np.testing.assert_array_equal(sent.image(4), faces.image(4))


@pytest.mark.parametrize(
    "settings",
    [{"identities": 0}, {"images": 0}, {"seed": -1}, {"split": "dev"}, {"difficulty": 3.0},
     {"template": "facenet-160"}],
)  # fmt: skip
def test_wrong_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(settings))):
        SyntheticFaces(**settings)  # type: ignore[arg-type]


def test_images_that_are_kept_are_drawn_once_and_not_sent_to_workers() -> None:
    plain, keeping = (SyntheticFaces(identities=2, images=2, keep=keep) for keep in (False, True))
    first = keeping.image(3)
    np.testing.assert_array_equal(first, plain.image(3))
    assert keeping.image(3) is first
    assert plain.image(3) is not plain.image(3)
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 0
    assert len(pickle.dumps(keeping)) < 2000
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(keeping)).image(3), first)


@pytest.mark.parametrize("index", [-1, 4])
def test_there_is_no_image_beyond_the_last(index: int) -> None:
    with pytest.raises(IndexError, match=r"\[0, 4\)"):
        SyntheticFaces(identities=2, images=2).image(index)


def test_what_is_learnt_on_some_people_tells_others_apart_better_than_pixels_do() -> None:
    """The variation within identities can be learnt: Fisher's discriminants, unseen people."""
    train = SyntheticFaces(identities=50, images=8)
    test = SyntheticFaces(identities=25, images=4, split="test")
    pixels, learnt = _features(train, test)
    same = test.labels[:, None] == test.labels[None]
    pairs = np.triu_indices(len(test), 1)
    scores = [
        roc_auc_score(same[pairs], (unit @ unit.T)[pairs])
        for unit in (f / np.linalg.norm(f, axis=1, keepdims=True) for f in (pixels, learnt))
    ]
    assert scores[0] < 0.75
    assert scores[0] + 0.1 < scores[1] < 0.99


def _features(train: SyntheticFaces, test: SyntheticFaces) -> tuple[np.ndarray, np.ndarray]:
    """The test set's pixels, and their Fisher discriminants as learnt on the train set."""
    train_x, test_x = (
        np.stack([s.image(i)[::4, ::4].reshape(-1) for i in range(len(s))]) / 255
        for s in (train, test)
    )
    components = PCA(80, random_state=0).fit(train_x)
    fisher = LinearDiscriminantAnalysis().fit(components.transform(train_x), train.labels)
    return test_x - train_x.mean(axis=0), fisher.transform(components.transform(test_x))
