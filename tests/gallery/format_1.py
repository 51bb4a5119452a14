"""Makes gallery files of format 1, by the statements of the version that wrote them."""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from vultus.core.embeddings import Embeddings, EmbeddingSpace

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE people (
    id INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE, enrolled_at TEXT NOT NULL);
CREATE TABLE photos (
    id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES people (id),
    vector BLOB NOT NULL, norm REAL NOT NULL, quality REAL, source TEXT,
    enrolled_at TEXT NOT NULL);
CREATE INDEX photos_by_person ON photos (person_id);
PRAGMA application_id = 1448430676;
PRAGMA user_version = 1;
"""
WHEN = "2026-11-01T10:00:00+00:00"


def write_format_1(
    path: Path, people: Mapping[str, Embeddings], space: EmbeddingSpace, *, outlier: float = 0.25
) -> None:
    """A gallery as it was written before; photo i has the source ``photo i``."""
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.executescript(SCHEMA)
        meta = {"space": json.dumps(space.to_dict()), "outlier_similarity": repr(outlier)}
        raw.executemany("INSERT INTO meta VALUES (?, ?)", list(meta.items()))
        for number, (name, photos) in enumerate(people.items(), 1):
            raw.execute("INSERT INTO people VALUES (?, ?, ?)", (number, name, WHEN))
            for i, vector in enumerate(photos.vectors):
                quality = None if photos.quality is None else float(photos.quality[i])
                raw.execute(
                    "INSERT INTO photos (person_id, vector, norm, quality, source, enrolled_at)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        *(number, vector.astype("<f4").tobytes(), float(photos.norms[i]), quality),
                        *(f"photo {i}", WHEN),
                    ),
                )
