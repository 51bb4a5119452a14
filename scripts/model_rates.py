"""Make the search rates of a model that come with Vultus, and the strict thresholds of its card.

    python scripts/model_rates.py vultus-s2 --strangers strangers.zip --check crops.zip \
        --mates mates.zip --leave-out Name --cache folder

The people of ``--strangers`` (photos, mostly one each) set the thresholds; those of ``--check``
(aligned crops) check them, and say by how much templates of several photos raise them; those of
``--mates`` (photos) are only searched for: they say how many are missed. Each is a zip or a folder
with a folder of photos per person; of each photo the most central face counts, if the quality gate
accepts it. ``--leave-out`` takes a folder whose people are there under another name too.

The tables for the card are printed, src/vultus/models/rates/NAME.json is written. With
``--only-fused`` nothing of the file that is there changes but what is known of several photos of a
probe, from the people of ``--check``: galleries rely on the rest, which another draw would move.
"""

import argparse
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vultus import Recognizer
from vultus.alignment.crop_templates import LandmarkTemplate, crop_template
from vultus.core.crops import AlignedCrops
from vultus.core.embeddings import Embeddings
from vultus.core.faces import Faces
from vultus.core.files import write_text
from vultus.evaluation.calibration.fnir import fit_fnir_curves
from vultus.evaluation.calibration.run import CalibrationPlan, LabelledFaces, calibrate
from vultus.evaluation.calibration.stretch import FUSED_PHOTOS, fit_stretches
from vultus.evaluation.protocols.photos import PhotoRoot
from vultus.image.io import read_image
from vultus.matching.model_rates import rates_from_package, rates_to_json
from vultus.pipeline.selection import select_face
from vultus.quality.gate import QualityGate
from vultus.quality.measures import measure_quality

RATES = Path(__file__).parent.parent / "src" / "vultus" / "models" / "rates"
LEVELS = (1, 2, 3, 5)
"""Photos per person that are kept: what more photos change is within what is not known."""

_CHUNK = 64


def usable(
    root: Path, recognizer: Recognizer, *, aligned: bool
) -> Iterator[tuple[str, Embeddings]]:
    """The photo's name and the embedding of its face, where the gate accepts it."""
    photos = PhotoRoot(root)
    if aligned:
        yield from _usable_crops(photos, recognizer)
        return
    source = (photos.photos(photos.names)[place] for place in range(len(photos.names)))
    for photo in recognizer.analyse(source):
        if not len(photo.faces):
            continue
        face = select_face(photo.faces, photo.size_hw, select="central")
        if not photo.refusals[face]:
            yield photos.names[photo.place], photo.embeddings[face]


def _usable_crops(photos: PhotoRoot, recognizer: Recognizer) -> Iterator[tuple[str, Embeddings]]:
    template = crop_template("arcface-112")
    if not isinstance(template, LandmarkTemplate):
        raise TypeError("arcface-112 must be a template of landmarks")
    face = Faces(
        np.array([[0, 0, 112, 112]], np.float32),
        np.array([template.points_xy], np.float32),
        np.ones(1, np.float32),
    )
    head = recognizer.trust_head
    gate = QualityGate().for_model(
        recognizer.embedder.min_norm, 0.0 if head is None else head.min_trust
    )
    for name in photos.names:
        pixels = read_image(photos.read(name))
        crop = AlignedCrops(pixels[None], np.eye(2, 3, dtype=np.float32)[None], template.name)
        embedding, pools = recognizer.embedder.embed_with_pools(crop)
        quality = measure_quality(pixels, face, crop).with_norms(embedding)
        if head is not None and pools is not None:
            quality = quality.with_trust(head.judge(pools, embedding))
        if not gate.judge(quality)[0]:
            yield name, embedding


def labelled(
    root: Path, recognizer: Recognizer, *, name: str, aligned: bool, cache: Path | None
) -> LabelledFaces:
    """The usable faces of a folder or zip, from the cache where they are there."""
    kept = None if cache is None else cache / f"{recognizer.embedder.card.name}-{root.stem}.npz"
    space = recognizer.embedder.space
    if kept is None or not kept.is_file():
        names, faces = zip(*usable(root, recognizer, aligned=aligned), strict=True)
        found = Embeddings.concatenate(faces)
        people = np.array([name.rpartition("/")[0] for name in names])
        if kept is not None:
            np.savez(kept, vectors=found.vectors, norms=found.norms, people=people)
    else:
        with np.load(kept) as arrays:
            people = arrays["people"]
            found = Embeddings(arrays["vectors"], arrays["norms"], space)
    return LabelledFaces(found, people, name, "0" * 64, None if aligned else "mtcnn")


def without(faces: LabelledFaces, people: list[str]) -> LabelledFaces:
    """The faces of all others."""
    kept = ~np.isin(faces.identities, people)
    return dataclasses.replace(
        faces, embeddings=faces.embeddings[kept], identities=faces.identities[kept]
    )


def add_fused(asked: argparse.Namespace, recognizer: Recognizer) -> None:
    """Put what was measured of several photos of a probe into the file that is there."""
    faces = without(
        labelled(asked.check, recognizer, name=asked.names[1], aligned=True, cache=asked.cache),
        asked.leave_out,
    )
    path, space = RATES / f"{asked.model}.json", recognizer.embedder.space
    curves, (seen, missed) = rates_from_package(path.read_text(), space)
    if curves is None:
        raise SystemExit(f"{path} is of another embedding space")
    who = np.unique(faces.identities, return_inverse=True)[1].astype(np.int64)
    stretches = fit_stretches(faces.embeddings, who, generator=np.random.default_rng(0))
    fused = fit_fnir_curves(
        faces.embeddings, who, generator=np.random.default_rng(0), origin="", probes=FUSED_PHOTOS
    )
    added = tuple(x for x in fused.levels if x.photos_per_probe > 1)
    kept = tuple(x for x in missed.levels if x.photos_per_probe == 1)
    missed = dataclasses.replace(missed, levels=kept + added)
    curves = dataclasses.replace(curves, stretches=stretches)
    for found in stretches:
        print(found)
    text = rates_to_json(space, curves, (seen, missed))
    write_text(path, text)
    print(f"written: {len(text):,} bytes")


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--check", type=Path, required=True)
    for option in ("--strangers", "--mates"):
        parser.add_argument(option, type=Path)
    parser.add_argument("--only-fused", action="store_true")
    parser.add_argument("--names", nargs=3, default=["strangers", "a development set", "mates"])
    parser.add_argument("--leave-out", action="append", default=[])
    parser.add_argument("--cache", type=Path)
    asked = parser.parse_args()
    recognizer = Recognizer(embedder=asked.model)
    if asked.only_fused:
        add_fused(asked, recognizer)
        return
    if asked.strangers is None or asked.mates is None:
        parser.error("--strangers and --mates are needed, or --only-fused")
    sets = [
        without(
            labelled(root, recognizer, name=name, aligned=root == asked.check, cache=asked.cache),
            asked.leave_out,
        )
        for root, name in zip((asked.strangers, asked.check, asked.mates), asked.names, strict=True)
    ]
    strangers, check, mates = sets
    done = calibrate(strangers, CalibrationPlan(extrapolate=True), check=check)
    for point in done.calibration.thresholds.points:
        print("[[thresholds]]")
        for key, value in point.to_dict().items():
            print(f"{key} = {value!r}".replace("'", '"'))
        print()
    curves, missed = done.calibration.fpir_curves, done.calibration.fnir_curves
    if curves is None or missed is None:
        raise SystemExit("too few people for search rates")
    who = np.unique(mates.identities, return_inverse=True)[1].astype(np.int64)
    seen = fit_fnir_curves(
        mates.embeddings, who, generator=np.random.default_rng(0), origin=f"people of {mates.name}"
    )
    levels = tuple(x for x in curves.levels if x.photos_per_person in LEVELS)
    kept = dataclasses.replace(curves, levels=levels)
    RATES.mkdir(exist_ok=True)
    text = rates_to_json(recognizer.embedder.space, kept, (seen, missed))
    write_text(RATES / f"{asked.model}.json", text)
    print(f"written: {len(text):,} bytes")


if __name__ == "__main__":
    main()
