"""Faces grouped by person: those that wait for review, or those of an uploaded zip."""

from typing import Any

from vultus.core.embeddings import Embeddings
from vultus.core.errors import NoFaceError, VultusError
from vultus.gallery.review.queue import ReviewQueue
from vultus.matching.clustering import cluster
from vultus.server.jobs.archive import Archive
from vultus.server.jobs.run import Run, packed, unpacked
from vultus.server.problems import code_of


def run_clustering(run: Run) -> dict[str, Any]:
    """Group faces; gives the groups, the largest first."""
    threshold = run.recognizer.threshold(run.options["fmr"])
    archive = run.archive()
    if archive is None:
        groups = ReviewQueue(run.gallery).groups(threshold)
        return {
            "groups": [[{"review": number} for number in group] for group in groups],
            "threshold": threshold.to_dict(),
            "refused": [],
        }
    _look(run, archive)
    faces: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []
    parts: list[Embeddings] = []
    space = run.recognizer.embedder.space
    for _, _, value in run.store.items(run.gallery, run.job):
        refused += value["refused"]
        faces += [{"photo": value["photo"], "face": face} for face in value["faces"]]
        parts.append(unpacked(value, space))
    embeddings = Embeddings.concatenate(parts) if parts else Embeddings.empty(space)
    found = cluster(embeddings, threshold=threshold, photo_ids=[face["photo"] for face in faces])
    return {
        "groups": [[faces[i] for i in found.members(n)] for n in range(found.n_clusters)],
        "threshold": found.threshold.to_dict(),
        "refused": refused,
    }


def _look(run: Run, archive: Archive) -> None:
    """Find and embed the faces of each photo that was not looked at yet."""
    done = run.kept()
    run.tell("looking", len(done), len(archive.names))
    for place, name in enumerate(archive.names):
        if place not in done:
            run.go_on()
            run.keep(place, _seen(run, archive, name))
            run.tell("looking", place + 1, len(archive.names))


def _seen(run: Run, archive: Archive, name: str) -> dict[str, Any]:
    refused: list[dict[str, Any]] = []

    def note(photo: str, error: VultusError) -> None:
        refused.append({"photo": photo, "code": code_of(error)[1], "detail": str(error)})

    photo = next(iter(run.recognizer.analyse([archive.photo(name)], on_error=note)), None)
    if photo is None:
        none = packed(Embeddings.empty(run.recognizer.embedder.space))
        return {"photo": name, "faces": [], "refused": refused, **none}
    if not len(photo.faces):
        note(name, NoFaceError("no face found"))
    for face, reasons in enumerate(photo.refusals):
        if reasons:
            told = f"face {face}: {'; '.join(reasons)}"
            refused.append({"photo": name, "code": "poor-quality", "detail": told})
    fit = [face for face, reasons in enumerate(photo.refusals) if not reasons]
    return {
        "photo": name,
        "faces": fit,
        "refused": refused,
        **packed(photo.embeddings[fit]),
    }
