"""Very many people enrolled: their faces found by many processes, written into a gallery by one."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import cloudpickle

from vultus import __version__
from vultus.bulk.embedding import KILLED, opened_analyser
from vultus.bulk.hanging import got_further
from vultus.bulk.parts import PartWork, run_parts
from vultus.bulk.workers import Workers, check_version
from vultus.core.choices import DEFAULT_SELECT, Selection
from vultus.core.errors import InputError
from vultus.core.progress import Progress
from vultus.gallery.gallery import Gallery
from vultus.gallery.moving.crops import KeptCrops
from vultus.pipeline.face_cache import FaceCache, FileState, KnownPhoto
from vultus.pipeline.importing import ImportedPerson, ImportReport, import_listed
from vultus.pipeline.people_source import PersonToImport, people_to_import
from vultus.pipeline.photos import Skipped
from vultus.pipeline.recognizer import Recognizer

_PART_PHOTOS = 64


class _Looked(NamedTuple):
    """A photo, as a worker saw it; None where it cannot be read."""

    state: FileState
    photo: KnownPhoto | None


def enroll_people(
    recognizer: Recognizer,
    gallery: Gallery,
    source: str | Path,
    *,
    workers: Workers,
    cache: FaceCache,
    select: Selection = DEFAULT_SELECT,
    progress: Progress | None = None,
) -> ImportReport:
    """Enrol everybody of a folder or a table, as `vultus.pipeline.importing.import_people` does.

    The faces come from the workers into the cache, part by part; then people are enrolled from
    there, a transaction each. Killed and run again, it goes on with what is missing in both.

    Args:
        recognizer: Makes the embeddings; opened by name, as each process opens its own.
        gallery: Where to.
        source: A folder with one folder of photos per person, or a CSV file.
        workers: Who looks at the photos; all must see their paths.
        cache: Keeps what they saw; a private folder. Erasing somebody reaches the user's own cache
            (``FaceCache()``) by itself, another one where it is told of.
        select: Which face of a photo is meant that shows several.
        progress: Told how far it is.

    Raises:
        InputError: As `import_people`; or if the gallery keeps aligned faces, which need the
            photos' pixels, or nothing can be cached of these models.
        ProviderError: If the cluster is gone, or processes die for no photo's sake.
        GalleryError: If the gallery cannot be written.
    """
    if KeptCrops(gallery).allowed:
        raise InputError(
            "a gallery that keeps aligned faces is not filled in bulk; use `gallery import`, or "
            "forbid them first"
        )
    setting = recognizer.setting()
    if setting is None:
        raise InputError("detector and embedder must be given by name, and no look for attacks")
    skipped = Skipped()
    people = people_to_import(source, skipped)
    killers = _look(recognizer, people, workers, cache, progress=progress)
    before = recognizer.cache
    recognizer.cache = cache
    try:
        left = [replace(p, photos=tuple(f for f in p.photos if f not in killers)) for p in people]
        report = import_listed(
            recognizer, gallery, left, skipped=skipped, select=select, progress=progress
        )
    finally:
        recognizer.cache = before
    return replace(report, people=tuple(map(_told(killers), people, report.people)))


def _told(killers: set[Path]) -> Any:
    """Adds to what became of somebody the photos that were set aside."""

    def told(person: PersonToImport, done: ImportedPerson) -> ImportedPerson:
        aside = [
            {"photo": str(path), "error": KILLED, "reason": "set aside"}
            for path in person.photos
            if path in killers
        ]
        return replace(done, left_out=(*done.left_out, *aside))

    return told


def _look(
    recognizer: Recognizer,
    people: Sequence[PersonToImport],
    workers: Workers,
    cache: FaceCache,
    *,
    progress: Progress | None,
) -> set[Path]:
    """Have every photo looked at that the cache does not know; gives those that kill."""
    setting = recognizer.setting() or ""
    paths = list(dict.fromkeys(path for person in people for path in person.photos))
    states = [FileState.of(path) for path in paths]
    known = cache.known(states, list(map(str, paths)), setting=setting)
    wanted = [path for path, photo in zip(paths, known, strict=True) if photo is None]
    theirs = copy.copy(recognizer)
    theirs.threads, theirs.cache = 1, None
    packed = cloudpickle.dumps(theirs)
    n_done = len(paths) - len(wanted)

    def done(_: int, looked: list[_Looked]) -> None:
        nonlocal n_done
        fresh = [(state, photo) for state, photo in looked if photo is not None]
        cache.keep(fresh, setting=setting)
        n_done += len(looked)
        if progress is not None:
            progress("looking", n_done, len(paths))

    if progress is not None:
        progress("looking", n_done, len(paths))
    work = PartWork(
        lambda part: range(part * _PART_PHOTOS, min(len(wanted), (part + 1) * _PART_PHOTOS)),
        _looked_at,
        lambda places, killers: (
            packed,
            [wanted[p] for p in places if p not in killers],
            __version__,
        ),
        done,
    )
    parts = range(-(-len(wanted) // _PART_PHOTOS))
    return {wanted[place] for place in run_parts(work, parts, workers)}


def _looked_at(analyser: bytes, paths: Sequence[Path], version: str) -> list[_Looked]:
    """In a worker: the faces of some photos."""
    check_version(version)
    states = [FileState.of(path) for path in paths]  # before they are read
    found: list[KnownPhoto | None] = [None] * len(paths)
    for photo in opened_analyser(analyser).analyse(paths, on_error=Skipped()):
        found[photo.place] = KnownPhoto(
            photo.name, photo.size_hw, photo.faces, photo.refusals, photo.embeddings
        )
        got_further()
    return list(map(_Looked, states, found))
