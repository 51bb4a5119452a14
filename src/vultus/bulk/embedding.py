"""Photos in bulk: every face found, judged and embedded, by parts that many processes share."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cloudpickle

from vultus import __version__
from vultus.bulk.face_table import NO_FACE, packed_rows, photo_rows, problem_row
from vultus.bulk.hanging import got_further
from vultus.bulk.parts import PartWork, run_parts
from vultus.bulk.photo_list import StoredPlace, list_photos
from vultus.bulk.run_folder import RunFolder, RunSettings
from vultus.bulk.workers import Workers, check_version
from vultus.core.checks import check_positive_int
from vultus.core.choices import DEFAULT_PART_PHOTOS
from vultus.core.errors import VultusError
from vultus.core.progress import Progress
from vultus.pipeline.analyser import Analyser
from vultus.pipeline.photos import StoredPhoto

KILLED = "the process that worked on it was killed, or hung"
UNREADABLE = "not readable"


@dataclass(frozen=True, slots=True)
class BulkReport:
    """What came of a run.

    Attributes:
        folder: Where the results lie.
        photos: How many there are.
        done_before: How many of them were done when this run began.
        faces: How many faces were found in this run.
        problems: Photos of this run that gave no face, counted by why.
        set_aside: Names of photos of this run that killed every process that worked on them.
    """

    folder: Path
    photos: int
    done_before: int
    faces: int
    problems: dict[str, int]
    set_aside: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {
            "folder": str(self.folder),
            "photos": self.photos,
            "done_before": self.done_before,
            "faces": self.faces,
            "problems": self.problems,
            "set_aside": list(self.set_aside),
        }


@dataclass(slots=True)
class _Found:
    """What a part gave, beside its file's bytes."""

    packed: bytes
    faces: int
    problems: dict[str, int]


def embed_photos(
    sources: Sequence[str | Path],
    folder: str | Path,
    *,
    analyser: Analyser,
    workers: Workers,
    part_photos: int = DEFAULT_PART_PHOTOS,
    progress: Progress | None = None,
) -> BulkReport:
    """Find, judge and embed every face of many photos; run again, it goes on where it was.

    The results do not depend on how many processes there are, nor on how often they or this one
    were killed: each part is always the same photos in the same order. A part whose processes die
    again and again is searched for the photos that kill them; they are set aside by name.

    Args:
        sources: As `vultus.bulk.photo_list.list_photos`; every worker must see the same paths.
        folder: Where the results go: `vultus.bulk.run_folder.RunFolder`.
        analyser: Finds, judges and embeds; opened by name, as each process opens its own. With
            ``threads=1``, so that processes do not stand in each other's way.
        workers: Who does it.
        part_photos: Photos of one task and file; what a killed process loses.
        progress: Told how many photos are done.

    Raises:
        InputError: If there are no photos, or the folder holds something else, or a run of other
            photos or settings.
        ProviderError: If the cluster is gone, or processes die for no photo's sake.
        VultusError: If the models cannot be opened.
    """
    check_positive_int("part_photos", part_photos)
    settings = RunSettings(
        analyser.embedder.space,
        f"vultus {__version__}, {analyser.detector_name}, {analyser.setting()}",
        analyser.threads or 0,
        part_photos,
    )
    run = RunFolder.begin(folder, list_photos(sources), settings)
    return _Run(run, cloudpickle.dumps(analyser), progress).finish(workers)


class _Run:
    """A run's counts, as its parts are done."""

    def __init__(self, folder: RunFolder, analyser: bytes, progress: Progress | None) -> None:
        self.folder = folder
        self.analyser = analyser
        self.progress = progress
        self.done = 0
        self.faces = 0
        self.problems: dict[str, int] = {}

    def finish(self, workers: Workers) -> BulkReport:
        folder = self.folder
        missing = [part for part in range(folder.n_parts) if not folder.is_done(part)]
        before = len(folder.photos) - sum(len(folder.places(part)) for part in missing)
        self.done = before
        self._tell()
        work = PartWork(folder.places, _analysed, self._arguments, self._keep)
        killers = run_parts(work, missing, workers)
        problems = dict(sorted(self.problems.items(), key=lambda item: (-item[1], item[0])))
        names = tuple(folder.photos[place].name for place in killers)
        return BulkReport(folder.path, len(folder.photos), before, self.faces, problems, names)

    def _arguments(self, places: range, killers: frozenset[int]) -> Sequence[Any]:
        photos = self.folder.photos[places.start : places.stop]
        return self.analyser, photos, places.start, killers, __version__

    def _keep(self, part: int, found: _Found) -> None:
        self.folder.write_part(part, found.packed)
        self.faces += found.faces
        for problem, count in found.problems.items():
            self.problems[problem] = self.problems.get(problem, 0) + count
        self.done += len(self.folder.places(part))
        self._tell()

    def _tell(self) -> None:
        if self.progress is not None:
            self.progress("embedding", self.done, len(self.folder.photos))


def _analysed(
    analyser: bytes,
    photos: Sequence[StoredPlace],
    first: int,
    killers: frozenset[int],
    version: str,
) -> _Found:
    """In a worker: the rows of some photos, packed."""
    check_version(version)
    opened = opened_analyser(analyser)
    digests: dict[str, str] = {}
    rows: dict[int, list[dict[str, Any]]] = {}
    places = {photo.name: first + number for number, photo in enumerate(photos)}

    def refused(name: str, error: VultusError) -> None:
        place, digest = places[name], digests.get(name)
        rows[place] = [problem_row(name, str(error), place=place, sha256=digest)]
        got_further()

    for name, place in places.items():
        if place in killers:
            rows[place] = [problem_row(name, KILLED, place=place, sha256=None)]
    wanted = [_stored(p, digests) for p in photos if places[p.name] not in killers]
    for photo in opened.analyse(wanted, on_error=refused):
        place = places[photo.name]
        digest = digests.get(photo.name)
        rows[place] = photo_rows(photo, place=place, sha256=digest, gate=opened.limits)
        got_further()
    ordered = [row for place in sorted(rows) for row in rows[place]]
    problems: dict[str, int] = {}
    for row in ordered:
        if "face" not in row:
            problems[_kind(row)] = problems.get(_kind(row), 0) + 1
    n_faces = len(ordered) - sum(problems.values())
    return _Found(packed_rows(ordered, opened.embedder.space), n_faces, problems)


def _kind(row: dict[str, Any]) -> str:
    """A photo's problem without what is its own."""
    return row["problem"] if row["problem"] in (NO_FACE, KILLED) else UNREADABLE


def _stored(photo: StoredPlace, digests: dict[str, str]) -> StoredPhoto:
    def fetch() -> bytes:
        data = photo.read()
        digests[photo.name] = hashlib.sha256(data).hexdigest()
        return data

    return StoredPhoto(photo.name, fetch)


@lru_cache(maxsize=1)  # models are opened once a process
def opened_analyser(analyser: bytes) -> Analyser:
    """In a worker: what was packed with cloudpickle, with its models opened once."""
    opened = cloudpickle.loads(analyser)
    if not isinstance(opened, Analyser):
        raise TypeError(f"an Analyser must be unpacked, got {type(opened).__name__}")
    return opened
