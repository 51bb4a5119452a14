"""The files that the pages speak of, made here: portraits, drawn faces, a run, a network."""

import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.data.synthetic import SyntheticFaces
from vultus.embedding.embedder import open_embedder
from vultus.embedding.embedding_file import FaceSource, save_embeddings
from vultus.evaluation.calibration.run import LabelledFaces
from vultus.evaluation.protocols.base import EmbeddedPhotos
from vultus.evaluation.protocols.figures import RunFigures
from vultus.evaluation.protocols.folder import PersonFolder
from vultus.evaluation.protocols.photos import PhotoFile
from vultus.evaluation.report.record import record_evaluation
from vultus.evaluation.report.result_file import save_record
from vultus.image.demo_photos import COLLINS, HOPPER, TOGETHER, write_demo_photos
from vultus.image.io import write_image
from vultus.pipeline.measuring import CalibrationPlan, calibrate, save_calibration
from vultus.training.recipe.recipe import Recipe
from vultus.training.trainer import Trainer

_PEOPLE = 56  # with two photos each enough to carry FMR 1e-2, though some show no face


def make_world(folder: Path) -> None:
    """Fill a folder."""
    _photos(folder)
    _people(folder)
    _embeddings(folder)
    _lfw(folder)
    _record(folder / "yunet.json", folder / "people")
    _run(folder)
    _network(folder / "net.onnx")


def _photos(folder: Path) -> None:
    people = write_demo_photos(folder / "photos")
    hopper, collins = people[HOPPER], people[COLLINS]
    for name, photo in {
        "ada-1.jpg": hopper[0],
        "ada-2.jpg": hopper[1],
        "party.jpg": folder / "photos" / TOGETHER,
        "photo.jpg": hopper[0],
        "a.jpg": collins[0],
        "b.jpg": collins[1],
        "holiday/1.jpg": hopper[0],
        "party/1.jpg": collins[0],
        "one.png": collins[0],
        "ann.jpg": collins[0],
        "album/1.jpg": collins[2],
        "album/2.jpg": hopper[2],
        "staff/Grace Hopper/1.jpg": hopper[0],
        "staff/Eileen Collins/1.jpg": collins[0],
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, folder / name)


def drawn_people(folder: Path, *, people: int) -> None:
    """Two drawn photos of each person, in a folder of their own."""
    faces = SyntheticFaces(identities=people, images=2, difficulty=0.5)
    for index, label in enumerate(faces.labels):
        path = folder / faces.identities[label] / f"{index % 2}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, faces.image(index))


def _people(folder: Path) -> None:
    drawn_people(folder / "people", people=_PEOPLE)
    with zipfile.ZipFile(folder / "faces.zip", "w") as packed:
        for person in sorted((folder / "people").iterdir())[:8]:
            shutil.copytree(person, folder / "crops" / person.name)
            for photo in sorted(person.iterdir()):
                packed.write(photo, f"{person.name}/{photo.name}")


def _embeddings(folder: Path) -> None:
    """Of 60 people by two networks; and a calibration on 200, in the built-in model's space."""
    space = open_embedder("vultus-s2", threads=1).space
    who = np.arange(240) // 4
    sources = [FaceSource(f"people/{n:03d}/{i}.jpg", 0, (0, 0, 1, 1)) for i, n in enumerate(who)]
    for seed, name in enumerate(("people.npz", "sface.npz")):
        save_embeddings(folder / name, _noisy(who, space, seed=seed), sources=sources)
    many = np.arange(400) // 2
    faces = LabelledFaces(_noisy(many, space, seed=0), many, "people", "0" * 64)
    done = calibrate(faces, CalibrationPlan(fmrs=(1e-2, 1e-3)))
    save_calibration(done.calibration, folder / "calibration.json")


def _noisy(who: npt.NDArray[np.int64], space: EmbeddingSpace, *, seed: int) -> Embeddings:
    generator = np.random.default_rng(seed)
    raw = generator.normal(size=(who.max() + 1, space.dim))[who]
    return Embeddings.from_raw(raw + 0.6 * generator.normal(size=raw.shape), space)


def _lfw(folder: Path) -> None:
    """Four drawn people in the layout of LFW."""
    faces = SyntheticFaces(identities=4, images=3, difficulty=0.5)
    names = ("Ann_Arbor", "Bob_Brown", "Cid_Campeador", "Dee_Dee")
    lines = ["2\t2"]
    for a, b in ((0, 1), (2, 3)):
        lines += [f"{names[a]}\t1\t2", f"{names[b]}\t1\t3"]
        lines += [f"{names[a]}\t1\t{names[b]}\t2", f"{names[a]}\t3\t{names[b]}\t1"]
    (folder / "pairs.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with zipfile.ZipFile(folder / "lfw.zip", "w") as packed:
        for index, label in enumerate(faces.labels):
            photo = folder / "photo.png"
            write_image(photo, faces.image(index))
            packed.write(photo, f"{names[label]}/{names[label]}_{index % 3 + 1:04d}.png")
        photo.unlink()


def _record(path: Path, people: Path) -> None:
    """What a report is made of, on embeddings that are drawn."""
    space = EmbeddingSpace("noise", "0" * 64, "none", 32)

    def embed(photos: Sequence[PhotoFile], *, aligned: bool) -> EmbeddedPhotos:
        drawn = _noisy(np.arange(len(photos)) // 2, space, seed=0)
        return EmbeddedPhotos(drawn, np.zeros(len(photos), np.bool_))

    result = PersonFolder(root=people).run(embed)
    figures = RunFigures(
        detector="yunet", select="central", runtime="none", **vars(result.figures())
    )
    record = record_evaluation(
        result, figures=figures, created="2026-11-30T00:00:00+00:00", software={}
    )
    save_record(path, record)


def _run(folder: Path) -> None:
    """A small network, trained for some steps; under two names."""
    values = {
        "about": {"title": "A small network"},
        "run": {"output": str(folder / "runs" / "mine"), "device": "cpu"},
        "data": {"kind": "synthetic", "identities": 12, "images": 4, "keep": True},
        "backbone": {
            "name": "vultusnet-s", "dim": 32, "widths": [8, 16, 24, 32], "units": [1, 1, 1, 1],
        },
        "sampler": {"name": "shuffled", "batch_size": 24},
        "loss": {"name": "cosface", "scale": 16.0, "margin_cos": 0.2},
        "optimizer": {"name": "sgd", "lr": 0.05},
        "training": {"ema_decay": 0.5},
        "evaluation": {
            "every_steps": 2,
            "sets": [{"kind": "synthetic", "identities": 6, "images": 3, "split": "test"}],
        },
        "steps": 4,
    }  # fmt: skip
    Trainer(Recipe.from_dict(values, source="small.toml")).run()
    shutil.copytree(folder / "runs" / "mine", folder / "runs" / "arcface-tiny")


def _network(path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["x"], ["y"])],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", 3, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", 48])],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path
    )
