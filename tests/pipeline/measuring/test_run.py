"""A protocol run from Python, without the command line."""

from pathlib import Path

import numpy as np
import pytest

from vultus import Recognizer
from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.evaluation.protocols import PROTOCOLS
from vultus.image.io import write_image
from vultus.pipeline.measuring import measure, measure_stored


def test_a_protocol_is_measured_and_measured_again_from_its_embeddings(
    people: Path, tiny_model: Path, tmp_path: Path
) -> None:
    protocol = PROTOCOLS.create("folder", root=people, aligned=True)
    recognizer = Recognizer(embedder=str(tiny_model), gate=None)
    told: list[tuple[int, int]] = []
    run = measure(
        protocol,
        recognizer,
        save_embeddings=tmp_path / "kept.npz",
        progress=lambda what, done, total: told.append((done, total)),
    )
    assert told == [(done, 121) for done in range(122)]
    assert (run.result.n_photos, run.result.failures) == (121, 1)
    assert run.figures.detector is run.figures.select is None  # nothing was detected
    assert (run.cost.seconds or 0) > 0
    assert run.record(worst=2).protocol == "folder"

    again = measure_stored(protocol, tmp_path / "kept.npz", model="tiny")
    assert again.figures.all_pairs == run.figures.all_pairs
    with pytest.raises(InputError, match="embeddings of model 'other', it holds those of 'tiny'"):
        measure_stored(protocol, tmp_path / "kept.npz", model="other")


def test_photos_name_the_detector_that_was_asked_for(
    hopper: Image, collins: Image, tiny_model: Path, tmp_path: Path
) -> None:
    for name, photo in (("grace", hopper), ("eileen", collins)):
        (tmp_path / name).mkdir()
        write_image(tmp_path / name / "1.png", photo)
        write_image(tmp_path / name / "2.png", photo[:, ::-1])
    run = measure(
        PROTOCOLS.create("folder", root=tmp_path),
        Recognizer(embedder=tiny_model, gate=None),
        select="largest",
    )
    assert (run.figures.detector, run.figures.select) == ("mtcnn", "largest")
    assert run.result.failures == 0


def test_the_rule_is_only_unless_the_data_set_or_the_user_has_another(
    hopper: Image, collins: Image, tiny_model: Path, tmp_path: Path
) -> None:
    beside = np.concatenate([hopper[:512], collins], axis=1)  # the middle is in Hopper's photo
    for number, photo in enumerate((hopper, hopper[:, ::-1], beside, collins)):
        (tmp_path / f"{number // 2}").mkdir(exist_ok=True)
        write_image(tmp_path / f"{number // 2}" / f"{number}.png", photo)
    own = PROTOCOLS.create("folder", root=tmp_path)
    published = PROTOCOLS.create("folder", root=tmp_path)
    published.select = "central"  # type: ignore[attr-defined]
    recognizer = Recognizer(embedder=tiny_model, gate=None)
    runs = [measure(own, recognizer), measure(published, recognizer)]
    runs.append(measure(published, recognizer, select="largest"))
    assert [run.figures.select for run in runs] == ["only", "central", "largest"]
    assert [run.result.failures for run in runs] == [1, 0, 0]


def test_a_folder_that_is_not_there_is_refused_before_the_work(
    people: Path, tiny_model: Path, tmp_path: Path
) -> None:
    protocol = PROTOCOLS.create("folder", root=people, aligned=True)
    with pytest.raises(InputError, match="no folder"):
        measure(protocol, Recognizer(), save_embeddings=tmp_path / "none" / "x.npz")
