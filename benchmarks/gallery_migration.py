"""A gallery of many people brought to another model: the switch, and what others wait.

Each person has two random embeddings of 128 numbers and two kept crops of 112 x 112, PNGs of some
20 kB. The next model is a product with a random matrix, so that what is measured is the gallery's
work alone; a real model adds its own time for each crop. The switch is prepared while others go on,
and is one writing transaction then ("others wait"): a second process searches all the while, a
third one notes something of somebody, and what they waited is told. What must hold is checked:
afterwards everybody is there with all photos, and probes find their mates.

    python benchmarks/gallery_migration.py [--people 20000] [--folder DIR]
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from vultus.core.crops import AlignedCrops
from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import VultusError
from vultus.gallery.gallery import Gallery
from vultus.gallery.moving.crops import KeptCrops
from vultus.gallery.moving.migration import Migration
from vultus.gallery.moving.preparation import Preparation
from vultus.gallery.people.details import PersonDetails
from vultus.gallery.security.master_key import MasterKey

DIM, PHOTOS, AT_ONCE, TEMPLATE = 128, 2, 1000, "arcface-112"
OLD, NEW = (EmbeddingSpace(name, 64 * name[0], "none", DIM) for name in ("before", "after"))
KEY = MasterKey(bytes(range(32)))
MARK = 16
"""Pixels in which a crop says whose it is."""


def main() -> None:
    """Make the gallery, bring it over, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, help="for the files; default: a temporary one")
    parser.add_argument("--beside", nargs=2, metavar=("WHAT", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.beside is not None:
        _beside(options.beside[0], Path(options.beside[1]))
        return
    packages = ", ".join(f"{name} {version(name)}" for name in ("vultus", "numpy", "cryptography"))
    print(f"{datetime.now(UTC).date().isoformat()}; Python {platform.python_version()}; {packages}")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start; ", end="")
    print(f"{options.people:,} people x {PHOTOS} photos, with a key\n", flush=True)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        _measure(Path(folder) / "g.db", options.people)


def _measure(path: Path, people: int) -> None:
    print("| what | CPU s | wall s |\n|---|---:|---:|")
    _fill(path, people)
    before = path.stat().st_size
    with Gallery.open(path, key=KEY) as gallery:
        migration = Migration(gallery)
        migration.begin(NEW, template=TEMPLATE, outlier_similarity=0.5)
        with _timed("embed all kept crops, without the model's own time"):
            done = migration.embed_crops(_embed)
        if done != people * PHOTOS:
            raise AssertionError(f"{done} crops were embedded, not {people * PHOTOS}")
        with _timed("status"):
            migration.status()
    _finish(path, people, before)


def _finish(path: Path, people: int, before: int) -> None:
    """Switch a gallery of so many people, ready for it, whose file had so many bytes."""
    with Gallery.open(path, key=KEY) as gallery:
        migration = Migration(gallery)
        waited = [_started("search", path), _started("note something", path)]
        log = _Largest(Path(f"{path}-wal"))
        with log, _timed("finish"), _locked("finish, others wait"):
            switched = migration.finish()
    told = [json.loads(process.communicate()[0]) for process in waited]
    if (switched.people, switched.photos) != (people, people * PHOTOS):
        raise AssertionError(f"not everybody was taken over: {switched}")
    with Gallery.open(path, key=KEY) as gallery:
        with _timed("open and search for the first time"):
            _check_found(gallery, people // 2)
        for person in range(0, people, max(1, people // 50)):
            _check_found(gallery, person)
    print(
        f"\n- file {before / 1e6:.0f} MB before, {path.stat().st_size / 1e6:.0f} MB after; ", end=""
    )
    print(f"log of SQLite {log.bytes / 1e6:.0f} MB at most; {_peak():.0f} MB of memory at most")
    for text in told:
        print(f"- {text}")


def _fill(path: Path, people: int) -> None:
    with (
        Gallery.open(path, space=OLD, outlier_similarity=0.5, key=KEY) as gallery,
        _timed(f"enrol, {AT_ONCE:,} in a transaction, with crops"),
    ):
        kept = KeptCrops(gallery)
        kept.allow()
        for first in range(0, people, AT_ONCE):
            with gallery.opened.store.transaction(write=True):
                for person in range(first, min(first + AT_ONCE, people)):
                    done = gallery.enroll(f"person {person}", _photos(person, OLD))
                    kept.keep(done, _crops(person))


def _beside(what: str, path: Path) -> None:
    """Search or note something until the gallery is of another model; tells what it waited."""
    waits, refused = list[float](), 0
    with Gallery.open(path, key=KEY) as gallery:
        gallery.warm()
        print("at work", flush=True)
        while True:
            start = time.perf_counter()
            try:
                if what == "search":
                    _check_found(gallery, len(waits) % 100)
                else:
                    gallery.opened.roster.check_current()
                    gallery.note("person 1", _details(len(waits)))
            except VultusError as error:
                if "meanwhile" in str(error):
                    break
                refused += 1
            waits.append(1e3 * (time.perf_counter() - start))
            time.sleep(0.05)
    middle, worst = np.percentile(waits, [50, 100])
    text = f"{what} in another process meanwhile: {len(waits)} times, {middle:.0f} ms in the median"
    print(json.dumps(f"{text}, {worst:.0f} ms at most; {refused} gave up waiting"))


def _details(number: int) -> PersonDetails:
    return PersonDetails(metadata={"seen": number})


def _started(what: str, path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--beside", what, str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    if process.stdout is None:
        raise AssertionError("no pipe")
    process.stdout.readline()  # it is at work
    return process


class _Largest:
    """The most bytes that a file has meanwhile."""

    def __init__(self, path: Path) -> None:
        self._path, self._end, self.bytes = path, threading.Event(), 0
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "_Largest":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.wait(0.1):
            self.bytes = max(self.bytes, self._path.stat().st_size if self._path.exists() else 0)


@contextmanager
def _timed(what: str) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    spent = time.process_time() - cpu, time.perf_counter() - wall
    print(f"| {what} | {spent[0]:.1f} | {spent[1]:.1f} |", flush=True)


@contextmanager
def _locked(what: str) -> Iterator[None]:
    """Tell the seconds from the end of the preparation on."""
    prepare, prepared = Preparation.prepare, list[tuple[float, float]]()

    def noted(self: Preparation, **named: Any) -> None:
        prepare(self, **named)
        prepared.append((time.process_time(), time.perf_counter()))

    with patch.object(Preparation, "prepare", noted):
        yield
    (cpu, wall), *_ = prepared
    spent = time.process_time() - cpu, time.perf_counter() - wall
    print(f"| {what} | {spent[0]:.2f} | {spent[1]:.2f} |", flush=True)


def _seen(person: int, first: int, n: int) -> np.ndarray:
    """(n, MARK, 3) uint8, what tells a person in the crops of so many photos."""
    centre = np.random.default_rng([person]).integers(40, 216, (MARK, 3))
    noise = np.random.default_rng([person, first]).integers(-40, 40, (n, MARK, 3))
    return (centre + noise).astype(np.uint8)


def _crops(person: int) -> AlignedCrops:
    pixels = np.stack([_PICTURE] * PHOTOS)
    pixels[:, 0, :MARK] = _seen(person, 0, PHOTOS)
    return AlignedCrops(pixels, np.zeros((PHOTOS, 2, 3), np.float32), TEMPLATE)


def _picture() -> np.ndarray:
    """(112, 112, 3) uint8, as smooth and as noisy as a face in a photo."""
    rng = np.random.default_rng(0)
    slope = np.add.outer(np.arange(112), np.arange(112))[..., None] * 0.6 + (30, 20, 40)
    return (slope + rng.normal(0, 2, (112, 112, 3))).clip(0, 255).astype(np.uint8)


def _embedded(seen: np.ndarray, space: EmbeddingSpace) -> Embeddings:
    matrix = np.random.default_rng(ord(space.model[0])).standard_normal((MARK * 3, DIM))
    return Embeddings.from_raw((seen.reshape(-1, MARK * 3) - 128.0) @ matrix, space)


def _embed(crops: AlignedCrops) -> Embeddings:
    return _embedded(crops.pixels[:, 0, :MARK], NEW)


def _photos(person: int, space: EmbeddingSpace, *, first: int = 0, n: int = PHOTOS) -> Embeddings:
    return _embedded(_seen(person, first, n), space)


def _check_found(gallery: Gallery, person: int) -> None:
    best = gallery.search(_photos(person, gallery.space, first=1, n=1), rank=1)[0][0]
    if best.identity != f"person {person}":
        raise AssertionError(f"person {person} was not found")


def _peak() -> float:
    """Most memory that this process had, in MB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e3


_PICTURE = _picture()

if __name__ == "__main__":
    main()
