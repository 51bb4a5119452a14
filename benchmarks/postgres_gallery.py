"""A gallery in PostgreSQL beside one in a file: loading, starting, identifying; and pgvector.

People have one random embedding of 128 numbers. The gallery is made in a file (SQLite) and restored
into a database on this machine. A process that starts opens the gallery and finds somebody: with
the file of its index (or sealed snapshot) and without. In one process 1, 8 and 32 threads search
then, one probe after the other, as a service does for as many clients, without its HTTP
(`benchmarks.postgres_service` asks over HTTP). Beside them pgvector ranks the same templates in the
database, exactly and by HNSW, on one connection.

What was made and measured stays in the folder, and a second call goes on behind it: ``--again``
measures a step anew. Galleries with a key are the same rows under a header that takes a key, which
is how long starting takes, and no way to protect a gallery.

    python -m benchmarks.postgres_gallery --folder DIR [--people 1000000] [--again store,pgvector]
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from benchmarks.clients import Ask, asked_at_once
from benchmarks.postgres_cluster import Node, free_port, programs_for
from benchmarks.postgres_people import fill, name, photos

from vultus.core.embeddings import EmbeddingSpace
from vultus.core.thresholds import Threshold
from vultus.gallery.description import write_vault
from vultus.gallery.gallery import Gallery
from vultus.gallery.searching.templates import index_path, snapshot_path
from vultus.gallery.security.master_key import MasterKey
from vultus.gallery.upkeep.restoring import restore

CLIENTS = (1, 8, 32)
KEY = MasterKey(bytes(range(32)))
STEPS = ("load", "store", "key", "vectors", "exact", "build", "hnsw")
Told = dict[str, Any]


def main() -> None:
    """Do what is not done yet, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--searches", type=int, default=400, help="for each number of clients")
    parser.add_argument("--folder", type=Path, help="for the files, kept", required=True)
    parser.add_argument("--indexed", type=int, help="people of the index HNSW; default: all")
    parser.add_argument("--steps", default=",".join(STEPS), help=f"some of {', '.join(STEPS)}")
    parser.add_argument("--again", default="", help="steps that are measured anew")
    parser.add_argument("--fresh", nargs=2, metavar=("PLACE", "KEY"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ["XDG_CACHE_HOME"] = str(options.folder / "cache")
    if options.fresh is not None:
        place, key = options.fresh
        print(json.dumps(_fresh(place, KEY if key == "key" else None, options.searches)))
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    options.folder.chmod(0o755)
    kept = options.folder / "results.json"
    told: Told = json.loads(kept.read_text()) if kept.exists() else {}
    with running(options.folder) as node:
        for step in options.steps.split(","):
            if step in told and step not in options.again.split(","):
                continue
            load, start = os.getloadavg()[0], time.perf_counter()
            told[step] = _DO[step](node, options)
            told[step] |= {"load": load, "took": time.perf_counter() - start, "on": _today()}
            kept.write_text(json.dumps(told, indent=1))
            print(step, json.dumps(told[step]), flush=True)
    _print(told, options.people)


@contextmanager
def running(folder: Path) -> Iterator[Node]:
    """The server of a folder, made where there is none."""
    node = Node(folder=folder / "server", programs=programs_for(folder), port=_port(folder))
    if not node.data.exists():
        node.initialise(buffers="512MB", settings="max_wal_size = 4GB\n")
    try:
        node.start()
        yield node
    finally:
        node.stop()


def _port(folder: Path) -> int:
    kept = folder / "port"
    if not kept.exists():
        kept.write_text(str(free_port()))
    return int(kept.read_text())


def _today() -> str:
    packages = ", ".join(f"{one} {version(one)}" for one in ("psycopg", "numpy", "numba"))
    return f"{datetime.now(UTC).date().isoformat()}; Python {platform.python_version()}; {packages}"


def url(node: Node) -> str:
    """The gallery in the database."""
    return f"postgresql://vultus_service@{node.address}/faces/staff"


def _loaded(node: Node, options: argparse.Namespace) -> Told:
    file, start = options.folder / "staff.db", time.perf_counter()
    fill(file, options.people)
    filled = time.perf_counter()
    node.make_database("faces")
    people = restore(file, url(node)).people
    done = time.perf_counter()
    bytes_there = int(node.sql("SELECT pg_database_size('faces')"))
    return {
        "people": people,
        "fill": filled - start,
        "restore": done - filled,
        "database": bytes_there,
        "file": file.stat().st_size,
    }


def _stores(node: Node, options: argparse.Namespace) -> Told:
    places = {"SQLite": str(options.folder / "staff.db"), "PostgreSQL": url(node)}
    rows = []
    for store, place in places.items():
        _remove_files(place)
        for kept in ("none", "kept"):
            rows.append({"store": store, "kept": kept, **_started(place, options)})
            rows[-1]["file"] = _size_of_files(place)
            print(json.dumps(rows[-1]), flush=True)
    return {"rows": rows}


def _with_key(node: Node, options: argparse.Namespace) -> Told:
    rows: list[Told] = []
    place = url(node)
    with closing(Gallery.open(place)) as gallery:
        vault = gallery.opened.vault
        plain, sealed = vault, vault.rewrapped(KEY)
        with gallery.opened.store.transaction(write=True):
            write_vault(gallery.opened.store, sealed)
    _remove_files(place)
    try:
        for kept in ("none", "kept"):
            rows.append({"store": "PostgreSQL, key", "kept": kept})
            rows[-1] |= _started(place, options, key="key")
            rows[-1]["file"] = _size_of_files(place)
            print(json.dumps(rows[-1]), flush=True)
    finally:
        gallery = Gallery.open(place, key=KEY)
        with closing(gallery), gallery.opened.store.transaction(write=True):
            write_vault(gallery.opened.store, plain)
        _remove_files(place)
    return {"rows": rows}


def _files(place: str) -> list[Path]:
    paths = [index_path(place), snapshot_path(place)]
    return [path for path in paths if path is not None and path.exists()]


def _remove_files(place: str) -> None:
    for path in _files(place):
        path.unlink()


def _size_of_files(place: str) -> int:
    return sum(path.stat().st_size for path in _files(place))


def _started(place: str, options: argparse.Namespace, *, key: str = "none") -> Told:
    command = [sys.executable, "-m", "benchmarks.postgres_gallery", "--fresh", place, key]
    command += ["--searches", str(options.searches), "--folder", str(options.folder)]
    started = time.time()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told: Told = json.loads(done.stdout)
    return {"first": told.pop("answered") - started, **told}


def _fresh(place: str, key: MasterKey | None, searches: int) -> Told:
    gallery = Gallery.open(place, key=key)
    people, space = len(gallery), gallery.space
    _check_found(gallery, people // 2, space)
    told: Told = {"answered": time.time(), "cpu": time.process_time()}
    gallery.warm()
    cpu = time.process_time()
    told["clients"] = [
        _searched(lambda person: _check_found(gallery, person, space), n, searches, people)
        for n in CLIENTS
    ]
    told["cpu_a_search_ms"] = 1e3 * (time.process_time() - cpu) / (searches * len(CLIENTS))
    told["memory"] = _peak_mb()
    gallery.close()
    return told


def _searched(ask: Ask, n: int, searches: int, people: int) -> tuple[float, float, float]:
    """`asked_at_once` of people by chance."""
    chosen = np.random.default_rng(n).integers(0, people, searches).tolist()
    return asked_at_once(lambda: nullcontext(ask), chosen, n)


def _vectors(node: Node, options: argparse.Namespace) -> Told:
    space = _space(options)
    node.sql("CREATE EXTENSION IF NOT EXISTS vector", "DROP TABLE IF EXISTS vec", database="faces")
    with _superuser(node) as connection:
        connection.execute(f"CREATE TABLE vec (id integer PRIMARY KEY, v vector({space.dim}))")
        connection.execute("ALTER TABLE vec ALTER v SET STORAGE PLAIN")
        with connection.cursor().copy("COPY vec FROM STDIN") as copy:
            for first in range(0, options.people, 1000):
                page = range(first, min(first + 1000, options.people))
                for number, vector in zip(page, photos(page, 0, space=space).vectors, strict=True):
                    copy.write_row((number, _text(vector)))
        connection.execute("VACUUM ANALYZE vec")
        row = connection.execute(
            "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
        ).fetchone()
    return {"pgvector": row[0]}


def _exact(node: Node, options: argparse.Namespace) -> Told:
    with _superuser(node) as connection:
        connection.execute("SET enable_indexscan = off")
        searches = max(options.searches // 16, 1)
        return _ranked(connection, "vec", options.people, searches, _space(options))


def _built(node: Node, options: argparse.Namespace) -> Told:
    with _superuser(node) as connection:
        connection.execute("SET maintenance_work_mem = '3GB'")
        connection.execute("SET max_parallel_maintenance_workers = 1")
        connection.execute("DROP TABLE IF EXISTS near")
        connection.execute(f"CREATE TABLE near AS SELECT * FROM vec WHERE id < {_indexed(options)}")
        start = time.perf_counter()
        connection.execute(
            "CREATE INDEX near_hnsw ON near USING hnsw (v vector_cosine_ops)"
            " WITH (m = 16, ef_construction = 64)"
        )
        built = time.perf_counter() - start
        connection.execute("VACUUM ANALYZE near")
        row = connection.execute("SELECT pg_relation_size('near_hnsw')").fetchone()
    return {"bytes": row[0], "people": _indexed(options), "build": built}


def _indexed(options: argparse.Namespace) -> int:
    return int(options.people if options.indexed is None else min(options.indexed, options.people))


def _hnsw(node: Node, options: argparse.Namespace) -> Told:
    told: Told = {}
    with _superuser(node) as connection:
        for ef in (40, 200, 1000):
            connection.execute(f"SET hnsw.ef_search = {ef}")
            people, searches = _indexed(options), options.searches
            called = f"HNSW of {people:,}, ef_search {ef}"
            told[called] = _ranked(connection, "near", people, searches, _space(options))
    return told


@contextmanager
def _superuser(node: Node) -> Iterator[Any]:
    import psycopg

    told = f"host={node.host} port={node.port} user=postgres dbname=faces"
    with psycopg.connect(told, autocommit=True) as connection:
        yield connection


def _ranked(connection: Any, table: str, people: int, searches: int, space: EmbeddingSpace) -> Told:
    hits: list[bool] = []

    def ask(person: int) -> None:
        row = connection.execute(
            f"SELECT id FROM {table} ORDER BY v <=> %s::vector LIMIT 1",
            (_text(photos([person], 1, space=space).vectors[0]),),
        ).fetchone()
        hits.append(row is not None and row[0] == person)

    p50, p99, qps = _searched(ask, 1, searches, people)
    return {"clients": [(p50, p99, qps)], "found": sum(hits), "of": len(hits)}


def _space(options: argparse.Namespace) -> EmbeddingSpace:
    with Gallery.open(options.folder / "staff.db") as gallery:
        return gallery.space


def _text(vector: npt.NDArray[np.float32]) -> str:
    return "[" + ",".join(f"{number:.8g}" for number in vector.tolist()) + "]"


def _check_found(gallery: Gallery, person: int, space: EmbeddingSpace) -> None:
    answer = gallery.identify(photos([person], 1, space=space), threshold=Threshold(0.5), fpir=0.1)
    if answer[0].identity != name(person):
        raise AssertionError(f"person {person} was not found")


def _peak_mb() -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e3


def _print(told: Told, people: int) -> None:
    print(f"\n{people:,} people\n\n| store | file of the index | first answer s (CPU s) | ", end="")
    print("memory MB | CPU ms a search |" + "".join(f" {n} clients |" for n in CLIENTS))
    print("|---|---|---:|---:|---:|" + "---:|" * len(CLIENTS))
    for row in told.get("store", {}).get("rows", []) + told.get("key", {}).get("rows", []):
        cells = [row["store"], f"{row['kept']} ({row['file'] / 1e6:.0f} MB)"]
        cells += [f"{row['first']:.2f} ({row['cpu']:.2f})", f"{row['memory']:.0f}"]
        cells += [f"{row['cpu_a_search_ms']:.2f}", *map(_speed, row["clients"])]
        print(f"| {' | '.join(cells)} |")
    print("\n| pgvector | p50 / p99 ms, QPS of one client | mates found | added FNIR |")
    print("|---|---:|---:|---:|")
    for called, row in {"exact": told.get("exact"), **told.get("hnsw", {})}.items():
        if isinstance(row, dict):
            print(
                f"| {called} | {_speed(row['clients'][0])} | {row['found']} of {row['of']} ", end=""
            )
            print(f"| {1 - row['found'] / row['of']:.3f} |")


def _speed(row: tuple[float, float, float]) -> str:
    return f"{row[0]:.1f} / {row[1]:.1f}, {row[2]:.0f}"


_DO: dict[str, Callable[[Node, argparse.Namespace], Told]] = {
    "load": _loaded, "vectors": _vectors, "store": _stores, "key": _with_key,
    "exact": _exact, "build": _built, "hnsw": _hnsw,
}  # fmt: skip


if __name__ == "__main__":
    main()
