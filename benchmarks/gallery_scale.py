"""A gallery of many people: enrolling, opening, finding, erasing, backing up; time and memory.

Each person has two random embeddings of 128 numbers. Two galleries are made, one after the other:
without a master key, so that templates lie in the file of an index beside it, and with one, which
keeps templates in memory only. CPU time (of all threads) and wall time are medians. Opening, and
what comes first after it, is measured in processes of their own; "without its index file" is where
that was removed, so that the first search opens all templates and writes it anew. What must hold is
checked: every probe finds its mate, everybody is listed, who was erased is not found, and the
backup, taken while another process enrols, is restored and is sound.

``--photos`` imports a folder with a folder of photos per person besides, by the built-in model,
into the gallery with a key, besides everybody else; some are looked for by their first photo, all
are erased again.

    python benchmarks/gallery_scale.py [--people 200000] [--repeats 20] [--folder DIR]
        [--photos DIR] [--only plain|key]
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.gallery.gallery import Gallery
from vultus.gallery.security.master_key import MasterKey
from vultus.gallery.upkeep.restoring import restore

if TYPE_CHECKING:
    from vultus.pipeline.recognizer import Recognizer

DIM, PHOTOS, RANK, AT_ONCE = 128, 2, 5, 1000
AT_MOST_SOUGHT = 100
"""Imported people who are looked for: to embed their photos again takes longer than to search."""
PACKAGES = ("vultus", "numpy", "numba", "cryptography")
SPACE = EmbeddingSpace("benchmark", "0" * 64, "none", DIM)
KEY = MasterKey(bytes(range(32)))
Times = dict[str, list[tuple[float, float]]]


class Stopwatch:
    """CPU and wall seconds of what is done, by name."""

    def __init__(self) -> None:
        self.times: Times = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        spent = (time.process_time() - cpu, time.perf_counter() - wall)
        self.times.setdefault(name, []).append(spent)


def main() -> None:
    """Make the galleries and print a table of each way."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--people", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=20, help="of what is done to one person")
    parser.add_argument("--folder", type=Path, help="for the files; default: a temporary one")
    parser.add_argument("--photos", type=Path, help="a folder of photos per person, to import")
    parser.add_argument("--only", choices=("plain", "key"), help="make one of the two galleries")
    parser.add_argument("--fresh", nargs=2, metavar=("FILE", "KEY"), help=argparse.SUPPRESS)
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fresh is not None:
        print(json.dumps(_fresh(Path(options.fresh[0]), options.fresh[1] == "key")))
        return
    if options.load is not None:
        _load(options.load)
        return
    versions = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    print(f"{datetime.now(UTC).date().isoformat()}; Python {platform.python_version()}; {versions}")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start; ", end="")
    print(f"{options.people:,} people x {PHOTOS} embeddings of {DIM}\n", flush=True)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        _measure(Path(folder), options)


def _measure(folder: Path, options: argparse.Namespace) -> None:
    people, repeats, photos = options.people, options.repeats, options.photos
    columns: dict[str, Times] = {}
    notes: list[str] = []
    recognizer = None if photos is None else _recognizer()
    space = SPACE if recognizer is None else recognizer.embedder.space
    for name, key, stem in (("without key", None, "plain"), ("with key", KEY, "key")):
        if options.only not in (None, stem):
            continue
        path, watch = folder / f"{stem}.db", Stopwatch()
        with Gallery.open(path, space=space, key=key) as gallery:
            _fill(gallery, people, watch)
        notes.append(f"{name}: files of {_sizes(path)}; {_peak():.0f} MB of memory at most so far")
        if key is None:
            columns["without its index file"], note = _without_index(path)
            notes.append(note)
        grown = [_opened_afresh(path, key, watch) for _ in range(5)]
        notes.append(_grown(name, grown))
        with Gallery.open(path, key=key) as gallery:
            gallery.warm()
            _one_by_one(gallery, people, repeats, watch)
            _listed(gallery, people, watch)
        notes.append(f"{name}: {_backed_up(path, key, watch)}")
        columns[name] = watch.times
    _print(columns)
    print("\n" + "\n".join(f"- {note}" for note in notes), flush=True)
    if recognizer is not None and options.only != "plain":
        watch = Stopwatch()
        with Gallery.open(folder / "key.db", key=KEY) as gallery:
            text = _imported(gallery, recognizer, photos, watch)
        print(f"- with key: {text}\n")
        _print({"with key": watch.times})


def _recognizer() -> "Recognizer":
    # Only where it is needed: what a process that searches grows by is told, too.
    from vultus.pipeline.recognizer import Recognizer

    return Recognizer()


def _without_index(path: Path) -> tuple[Times, str]:
    """Open a gallery whose index file is gone, which the first search makes again."""
    watch, grown = Stopwatch(), []
    for _ in range(3):
        Path(f"{path}-index").unlink(missing_ok=True)
        grown.append(_opened_afresh(path, None, watch))
    return watch.times, _grown("without its index file", grown)


def _grown(name: str, grown: list[tuple[float, float]]) -> str:
    before, most = (max(column) for column in zip(*grown, strict=True))
    return f"{name}: a process that opens and searches grows from {before:.0f} to {most:.0f} MB"


def _fill(gallery: Gallery, people: int, watch: Stopwatch) -> None:
    """Enrol everybody, a thousand in a transaction."""
    for first in range(0, people, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, people))
        photos = [_photos(gallery, person) for person in numbers]
        with watch(f"enrol {AT_ONCE:,} in a transaction"), _writing(gallery):
            for person, some in zip(numbers, photos, strict=True):
                gallery.enroll(f"person {person}", some)
    gallery.search(_probe(gallery, 0), rank=1)


def _opened_afresh(path: Path, key: MasterKey | None, watch: Stopwatch) -> tuple[float, float]:
    """Open a gallery in a process of its own and search; its MB of memory before, and most."""
    command = [sys.executable, __file__, "--fresh", str(path), "plain" if key is None else "key"]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    for what, spent in told["times"].items():
        watch.times.setdefault(what, []).extend((cpu, wall) for cpu, wall in spent)
    return told["before"], told["peak"]


def _fresh(path: Path, protected: bool) -> dict[str, Any]:
    watch = Stopwatch()
    before = _peak()
    with watch("open"):
        gallery = Gallery.open(path, key=KEY if protected else None)
    with watch("count people"):
        n_people = len(gallery)
    with watch("look up, first"):
        gallery.person(f"person {n_people // 2}")
    with watch("search, first"):
        _check_found(gallery, n_people // 2)
    for person in range(5):
        with watch("search, second to sixth"):
            _check_found(gallery, person * n_people // 7)
    with watch("close"):
        gallery.close()
    peak = _peak()
    return {"times": watch.times, "before": before, "peak": peak}


def _one_by_one(gallery: Gallery, people: int, repeats: int, watch: Stopwatch) -> None:
    """What is done to one person, in a service that is open."""
    chosen = np.random.default_rng(0).choice(people // 2, repeats, replace=False).tolist()
    for number, person in enumerate(chosen):
        with watch("look up one"):
            gallery.person(f"person {person}")
        with watch("search one, warm"):
            _check_found(gallery, person)
        new = people + number
        photos = _photos(gallery, new)
        with watch("enrol one"):
            gallery.enroll(f"person {new}", photos)
        with watch("search after enrolling one"):
            _check_found(gallery, new)
        with watch("erase one"):
            gallery.remove(f"person {person}")
        with watch("search after erasing one"):
            found = gallery.search(_probe(gallery, person), rank=RANK)[0]
        if any(candidate.identity == f"person {person}" for candidate in found):
            raise AssertionError("somebody who was erased was found")


def _listed(gallery: Gallery, people: int, watch: Stopwatch) -> None:
    """Everybody's record, in three ways."""
    for _ in range(3):
        with watch("identities(), all"):
            n_identities = len(gallery.identities())
        with watch("people(), all"):
            n_people = len(list(gallery.people()))
        with watch("people_page, 100 in the middle"):
            n_page = len(gallery.people_page(after=people // 2, limit=100)[0])
        if (n_identities, n_people, n_page) != (people, people, 100):
            raise AssertionError("not everybody was listed")


def _imported(gallery: Gallery, recognizer: "Recognizer", photos: Path, watch: Stopwatch) -> str:
    """Import a folder of photos, look for some of it by a photo, and erase all."""
    from vultus.pipeline.importing import import_people

    before = len(gallery)
    with watch("import photos, all"):
        report = import_people(recognizer, gallery, photos)
    names = [person.identity for person in report.people if person.added]
    if len(gallery) - before != len(names):
        raise AssertionError("not everybody who was enrolled is there")
    found, sought = 0, names[:: max(1, len(names) // AT_MOST_SOUGHT)]
    for name in sought:
        probe = recognizer.embed_face(gallery.photos(name)[0]["source"])
        with watch("search for one imported"):
            found += gallery.search(probe, rank=1)[0][0].identity == name
    for name in names:
        with watch("erase one imported"):
            gallery.remove(name)
    if len(gallery) != before:
        raise AssertionError("somebody who was erased is there")
    return (
        f"{report.added:,} photos of {len(names):,} people imported, {len(report.left_out):,} "
        f"photos left out; of {len(sought)} looked for by their first photo {found} come first; "
        "all erased again"
    )


def _backed_up(path: Path, key: MasterKey | None, watch: Stopwatch) -> str:
    """Back up while another process enrols, restore, check; gives what was there."""
    backup, back = path.with_suffix(".backup"), path.with_suffix(".restored")
    command = [sys.executable, __file__, "--load", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as load:
        if load.stdout is None:
            raise AssertionError("no pipe")
        load.stdout.readline()  # it is at work
        with Gallery.open(path, key=key) as gallery:
            before = len(gallery)
            with watch("back up under load"):
                gallery.backup(backup)
            after = len(gallery)
        load.terminate()
    with watch("restore"):
        people = restore(backup, back, key=key).people
    if not before <= people <= after:
        raise AssertionError(f"the backup has {people} people, not {before} to {after}")
    with Gallery.open(back, key=key) as gallery, watch("check all"):
        problems = gallery.check()
    if problems:
        raise AssertionError(problems)
    return (
        f"{after - before} people were enrolled by another process during the backup "
        f"({backup.stat().st_size / 1e6:.0f} MB), which restores to {people:,} and is sound"
    )


def _load(path: Path) -> None:
    """Enrol one after the other until terminated."""
    with Gallery.open(path, key=KEY if path.stem == "key" else None) as gallery:
        for number in range(10**6):
            gallery.enroll(f"late {number}", _photos(gallery, 10**7 + number))
            if number == 0:
                print("at work", flush=True)


def _print(columns: dict[str, Times]) -> None:
    rows = list(dict.fromkeys(name for times in columns.values() for name in times))
    print(f"| CPU ms / wall ms, medians | {' | '.join(columns)} |")
    print("|---|" + "---:|" * len(columns))
    for row in rows:
        print(f"| {row} | {' | '.join(_cell(times.get(row)) for times in columns.values())} |")


def _cell(spent: list[tuple[float, float]] | None) -> str:
    if not spent:
        return "-"
    cpu, wall = (1e3 * statistics.median(column) for column in zip(*spent, strict=True))
    return f"{cpu:,.1f} / {wall:,.1f}"


def _sizes(path: Path) -> str:
    files = sorted(path.parent.glob(f"{path.name}*"))
    return ", ".join(f"{file.name} {file.stat().st_size / 1e6:.1f} MB" for file in files)


def _check_found(gallery: Gallery, person: int) -> None:
    best = gallery.search(_probe(gallery, person), rank=RANK)[0][0]
    if best.identity != f"person {person}":
        raise AssertionError(f"person {person} was not found")


def _photos(gallery: Gallery, person: int, *, first: int = 0, n: int = PHOTOS) -> Embeddings:
    """Photos of a person, at about 0.8 to one another."""
    centre = np.random.default_rng([person]).standard_normal(DIM)
    noise = np.random.default_rng([person, first]).standard_normal((n, DIM))
    return Embeddings.from_raw(centre + 0.5 * noise, gallery.space)


def _probe(gallery: Gallery, person: int) -> Embeddings:
    return _photos(gallery, person, first=PHOTOS, n=1)


def _peak() -> float:
    """Most memory that this process had, in MB, files that are mapped included."""
    try:
        # What `getrusage` tells includes what the process was started from.
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e3
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def _writing(gallery: Gallery) -> AbstractContextManager[None]:
    return gallery.opened.store.transaction(write=True)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    main()
