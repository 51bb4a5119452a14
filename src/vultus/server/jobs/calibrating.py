"""A calibration measured on the people of an uploaded zip."""

import hashlib
import json
from typing import Any

import numpy as np

from vultus.core.embeddings import Embeddings
from vultus.core.errors import InputError
from vultus.evaluation.calibration.run import CalibrationPlan, LabelledFaces, calibrate
from vultus.evaluation.protocols.photos import Photos
from vultus.pipeline.measuring.photos import embed_with
from vultus.server.jobs.archive import Archive
from vultus.server.jobs.run import Run, packed, unpacked

_AT_ONCE = 8


def run_calibration(run: Run) -> dict[str, Any]:
    """Measure thresholds; gives the calibration, and what people held out say to it."""
    archive = run.archive()
    if archive is None:
        raise InputError("what was uploaded is gone")
    plan = CalibrationPlan(
        tuple(run.options["fmr"]), seed=run.options["seed"], extrapolate=run.options["extrapolate"]
    )
    _embed(run, archive)
    run.tell("calibrating", len(archive.names), len(archive.names))
    measured = calibrate(_labelled(run, archive), plan)
    items = run.store.items(run.gallery, run.job)
    return {
        "calibration": json.loads(measured.calibration.to_json()),
        "failures": [name for _, _, value in items for name in value["failed"]],
    }


def _embed(run: Run, archive: Archive) -> None:
    done, names = run.kept(), archive.names
    embed = embed_with(run.recognizer, select=run.options["select"])
    for place, start in enumerate(range(0, len(names), _AT_ONCE)):
        some = names[start : start + _AT_ONCE]
        run.tell("embedding", start, len(names))
        if place in done:
            continue
        run.go_on()
        found = embed(Photos(some, archive.read), aligned=False)
        kept = [
            name for name, failed in zip(some, found.failed.tolist(), strict=True) if not failed
        ]
        value = {
            "names": kept,
            "failed": [name for name in some if name not in kept],
            **packed(found.embeddings),
        }
        run.keep(place, value)


def _labelled(run: Run, archive: Archive) -> LabelledFaces:
    person_of = dict(zip(archive.names, archive.folders(), strict=True))
    space = run.recognizer.embedder.space
    people: list[str] = []
    parts: list[Embeddings] = []
    failures = 0
    for _, _, value in run.store.items(run.gallery, run.job):
        people += [person_of[name] for name in value["names"]]
        failures += len(value["failed"])
        parts.append(unpacked(value, space))
    if not people:
        raise InputError("no face was found on any photo of the zip")
    return LabelledFaces(
        Embeddings.concatenate(parts),
        np.array(people),
        "upload",
        _digest(archive),
        run.recognizer.detector_name,
        failures,
    )


def _digest(archive: Archive) -> str:
    whole = hashlib.sha256()
    for name in archive.names:
        whole.update(f"{archive.digest(name)}  {name}\n".encode())
    return whole.hexdigest()
