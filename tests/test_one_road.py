"""One road: a network trained, exported, installed, calibrated; people served over REST, erased."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vultus.cli.main import main
from vultus.client import Client, NotFoundError
from vultus.data.synthetic import SyntheticFaces
from vultus.image.demo_photos import COLLINS, HOPPER, write_demo_photos
from vultus.image.io import write_image

SMALL = """
extends = "arcface-tiny"
steps = 4
[data]
identities = 8
images = 3
[backbone]
dim = 16
widths = [8, 8, 8, 8]
[sampler]
batch_size = 8
"""
PEOPLE = 110  # half of them, 55, carry FMR 1e-2 among photos of two


@contextmanager
def _served(gallery: Path, key: Path, model: str) -> Iterator[str]:
    command = [sys.executable, "-m", "vultus", "serve", "--gallery", str(gallery), "--port", "0"]
    command += ["--admin-key-file", str(key), "--model", model, "--max-fnir", "1"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if line.startswith("serving "):
                yield line.split()[1].rstrip(";")
                break
        else:
            pytest.fail("the service did not start")
    finally:
        process.kill()
        process.communicate()


def _crops(folder: Path) -> None:
    """Drawn people whom no recipe was trained on, two aligned crops each."""
    faces = SyntheticFaces(identities=PEOPLE, images=2, difficulty=0.3, split="test")
    for index, label in enumerate(faces.labels):
        path = folder / faces.identities[label] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, faces.image(index))


@pytest.mark.parametrize("recipe", ["small", pytest.param("arcface-tiny", marks=pytest.mark.slow)])
@pytest.mark.timeout(7200)  # of training, on a machine with much else to do
def test_from_a_recipe_to_an_erased_person(
    recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(SMALL, encoding="utf-8")
    named = "small.toml" if recipe == "small" else recipe
    assert main(["train", named, "run.output=run", "run.device=cpu"]) == 0
    assert main(["export", "run", "--name", "mine", "--licence", "MIT", "--install"]) == 0
    _crops(Path("crops"))
    capsys.readouterr()
    calibrating = ["calibrate", "crops", "--aligned", "--model", "mine", "--fmr", "0.01"]
    assert main([*calibrating, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)

    photos = write_demo_photos(Path("photos"))
    with (
        _served(Path("people.db"), Path("admin.key"), "mine") as address,
        Client(address, Path("admin.key").read_text(encoding="utf-8").strip()) as client,
    ):
        grace = client.enroll("people", "Grace", [photos[HOPPER][0]]).person
        client.enroll("people", "Eileen", [photos[COLLINS][0]], force=True)
        (face,) = client.identify("people", photos[HOPPER][0], fpir=0.2).faces
        assert (face.identity, face.person) == ("Grace", grace.id)
        assert face.gallery_size == 2
        assert client.verify(photos[HOPPER][0], photos[HOPPER][0], fmr=0.1).same_person
        assert client.erase("people", grace.id).receipt
        (face,) = client.identify("people", photos[HOPPER][0], fpir=0.2).faces
        assert face.identity != "Grace"
        assert "Grace" not in [person.name for person in client.people("people")]
        with pytest.raises(NotFoundError):
            client.erase("people", grace.id)
