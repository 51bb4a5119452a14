"""The tables of a gallery's file, and whose file one is, told without touching it."""

from pathlib import Path

from vultus.core.errors import GalleryError

APPLICATION_ID = 0x56554C54  # "VULT"; says whose file it is
SCHEMA_VERSION = 4
_MAGIC = b"SQLite format 3\0"
_HEADER_SIZE = 100
# https://www.sqlite.org/fileformat.html, section 1.3: big-endian numbers in the file's header.
_USER_VERSION = slice(60, 64)
_APPLICATION_ID = slice(68, 72)

_SIZED = """INSERT INTO sizes VALUES (new.n_faces, 1)
    ON CONFLICT (n_faces) DO UPDATE SET n_people = n_people + 1;"""
_UNSIZED = "UPDATE sizes SET n_people = n_people - 1 WHERE n_faces = old.n_faces;"

# Of so many positions (as a power of two) events are counted together: of all and of each type, and
# of each stream, which has few among the others.
EVENTS_BITS, STREAM_BITS = 6, 12
_OF_ALL_OR_TYPE = f"""WHERE stream = 0 AND type IN ('', old.type)
        AND bucket = old.position >> {EVENTS_BITS}"""
_OF_STREAM = f"""WHERE stream = old.stream AND type = ''
        AND bucket = old.position >> {STREAM_BITS}"""
_OF_PREFIX = "WHERE prefix = substr(old.tag, 1, 2)"
_COUNTED = "1, new.position, new.at, new.at, new.at || new.at"
_LESS = "SET n = n - 1, total = total - old.position"

EVENTS_SCHEMA = (
    # The positions are given by who adds, so that they come in the order of the commits. Type and
    # time, by which rows are chosen before they are opened, are written twice.
    """CREATE TABLE events (
        position INTEGER PRIMARY KEY, tag BLOB NOT NULL UNIQUE,
        stream INTEGER NOT NULL REFERENCES items (id) ON DELETE CASCADE,
        type TEXT NOT NULL, at TEXT NOT NULL, twice TEXT NOT NULL, body BLOB NOT NULL)""",
    "CREATE INDEX events_by_stream ON events (stream)",
    "CREATE INDEX events_by_type ON events (type)",
    # Counted once more, so that a row that is missed by an index shows; and the times between
    # which they happened, written twice, so that one need not read them all to find a day.
    """CREATE TABLE event_sums (
        stream INTEGER NOT NULL, type TEXT NOT NULL, bucket INTEGER NOT NULL, n INTEGER NOT NULL,
        total INTEGER NOT NULL, first_at TEXT NOT NULL, last_at TEXT NOT NULL, span TEXT NOT NULL,
        PRIMARY KEY (stream, type, bucket)) WITHOUT ROWID""",
    """CREATE TABLE event_tag_sums (
        prefix BLOB PRIMARY KEY, n INTEGER NOT NULL, total INTEGER NOT NULL) WITHOUT ROWID""",
    f"""CREATE TRIGGER event_added AFTER INSERT ON events BEGIN
        INSERT INTO event_sums VALUES
            (0, '', new.position >> {EVENTS_BITS}, {_COUNTED}),
            (0, new.type, new.position >> {EVENTS_BITS}, {_COUNTED}),
            (new.stream, '', new.position >> {STREAM_BITS}, {_COUNTED})
        ON CONFLICT (stream, type, bucket) DO UPDATE SET n = n + 1, total = total + excluded.total,
            first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at),
            span = min(first_at, excluded.first_at) || max(last_at, excluded.last_at);
        INSERT INTO event_tag_sums VALUES (substr(new.tag, 1, 2), 1, new.position)
        ON CONFLICT (prefix) DO UPDATE SET n = n + 1, total = total + excluded.total; END""",  # noqa: S608
    f"""CREATE TRIGGER event_gone AFTER DELETE ON events BEGIN
        UPDATE event_sums {_LESS} {_OF_ALL_OR_TYPE};
        UPDATE event_sums {_LESS} {_OF_STREAM};
        UPDATE event_tag_sums {_LESS} {_OF_PREFIX};
        DELETE FROM event_sums {_OF_ALL_OR_TYPE} AND n = 0;
        DELETE FROM event_sums {_OF_STREAM} AND n = 0;
        DELETE FROM event_tag_sums {_OF_PREFIX} AND n = 0; END""",  # noqa: S608
)

_ITEM_IN = """INSERT INTO item_sums VALUES (new.key_id, '', 1, new.id), (0, new.kind, 1, new.id)
        ON CONFLICT (key_id, kind) DO UPDATE SET n = n + 1, total = total + excluded.total;"""
# Two equalities each, as an index answers; of `IN (VALUES ...)` SQLite makes a walk through all.
_ITEM_OUT = "".join(
    f"""UPDATE item_sums SET n = n - 1, total = total - old.id WHERE {row};
        DELETE FROM item_sums WHERE {row} AND n = 0;"""  # noqa: S608
    for row in ("key_id = old.key_id AND kind = ''", "key_id = 0 AND kind = old.kind")
)

_ITEM_TRIGGERS = (
    f"CREATE TRIGGER item_gone AFTER DELETE ON items BEGIN {_ITEM_OUT} END",
    f"""CREATE TRIGGER item_moved AFTER UPDATE OF kind, key_id ON items
        WHEN old.kind <> new.kind OR old.key_id <> new.key_id BEGIN {_ITEM_OUT} {_ITEM_IN} END""",
)

ITEMS_COUNTED = (
    # Of a key, and of a kind: what an index says of items is counted once more, too.
    """CREATE TABLE item_sums (
        key_id INTEGER NOT NULL, kind TEXT NOT NULL, n INTEGER NOT NULL, total INTEGER NOT NULL,
        PRIMARY KEY (key_id, kind)) WITHOUT ROWID""",
    "INSERT INTO item_sums SELECT key_id, '', count(*), sum(id) FROM items GROUP BY key_id",
    "INSERT INTO item_sums SELECT 0, kind, count(*), sum(id) FROM items GROUP BY kind",
    f"CREATE TRIGGER item_added AFTER INSERT ON items BEGIN {_ITEM_IN} END",
    *_ITEM_TRIGGERS,
)

UPGRADES = {
    2: (*ITEMS_COUNTED, *EVENTS_SCHEMA),
    3: ("DROP TRIGGER IF EXISTS item_gone", "DROP TRIGGER IF EXISTS item_moved", *_ITEM_TRIGGERS),
}
"""Format -> what brings a file of it to the next: nothing but what is added, or counted."""

SCHEMA = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    # Appended in ascending order, never deleted: so no row is moved, and no copy of one is left
    # when it is overwritten where it stands.
    """CREATE TABLE keys (
        id INTEGER PRIMARY KEY AUTOINCREMENT, uid BLOB NOT NULL, wrapped BLOB NOT NULL)""",
    """CREATE TABLE people (
        id INTEGER PRIMARY KEY REFERENCES keys (id), uid BLOB NOT NULL UNIQUE,
        name_tag BLOB NOT NULL UNIQUE, external_tag BLOB UNIQUE,
        n_faces INTEGER NOT NULL DEFAULT 0, minus_faces INTEGER NOT NULL DEFAULT 0,
        enrolled_at TEXT NOT NULL, expires_at TEXT, record BLOB NOT NULL)""",
    # What only an index knows is counted once more, so that a flipped bit in the index shows: of
    # all tags that begin alike the exclusive or, of all people of a group number and sum.
    "CREATE TABLE tag_sums (bucket INTEGER PRIMARY KEY, tags BLOB NOT NULL)",
    """CREATE TABLE group_sums (
        name TEXT PRIMARY KEY, n INTEGER NOT NULL, total INTEGER NOT NULL) WITHOUT ROWID""",
    "CREATE INDEX people_by_expiry ON people (expires_at) WHERE expires_at IS NOT NULL",
    """CREATE TABLE templates (
        person_id INTEGER PRIMARY KEY REFERENCES people (id), body BLOB NOT NULL)""",
    """CREATE TABLE faces (
        id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES people (id),
        number INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE (person_id, number))""",
    """CREATE TABLE groups (
        name TEXT NOT NULL, person_id INTEGER NOT NULL REFERENCES people (id),
        PRIMARY KEY (name, person_id)) WITHOUT ROWID""",
    "CREATE INDEX groups_by_person ON groups (person_id)",
    """CREATE TRIGGER group_joined AFTER INSERT ON groups BEGIN
        INSERT INTO group_sums VALUES (new.name, 1, new.person_id)
        ON CONFLICT (name) DO UPDATE SET n = n + 1, total = total + excluded.total; END""",
    """CREATE TRIGGER group_left AFTER DELETE ON groups BEGIN
        UPDATE group_sums SET n = n - 1, total = total - old.person_id WHERE name = old.name;
        DELETE FROM group_sums WHERE name = old.name AND n = 0; END""",
    """CREATE TABLE items (
        id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL,
        key_id INTEGER NOT NULL REFERENCES keys (id), created_at TEXT NOT NULL, expires_at TEXT,
        body BLOB NOT NULL)""",
    "CREATE INDEX items_by_key ON items (key_id)",
    "CREATE INDEX items_by_kind ON items (kind, id)",
    # How many people have so many faces: counting all would take longer with more people.
    "CREATE TABLE sizes (n_faces INTEGER PRIMARY KEY, n_people INTEGER NOT NULL)",
    f"CREATE TRIGGER person_added AFTER INSERT ON people BEGIN {_SIZED} END",
    f"CREATE TRIGGER person_sized AFTER UPDATE OF n_faces ON people BEGIN {_UNSIZED} {_SIZED} END",
    f"CREATE TRIGGER person_gone AFTER DELETE ON people BEGIN {_UNSIZED} END",
    """CREATE TABLE changes (
        position INTEGER PRIMARY KEY AUTOINCREMENT, person_id INTEGER NOT NULL,
        erased INTEGER NOT NULL, before BLOB)""",
    """CREATE TABLE audit (
        position INTEGER PRIMARY KEY, at TEXT NOT NULL, entry BLOB NOT NULL, digest BLOB NOT NULL)
    """,
    *ITEMS_COUNTED,
    *EVENTS_SCHEMA,
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)


def file_version(path: Path) -> int | None:
    """The schema version of a gallery file, read from its first bytes; None if there is none yet.

    SQLite does not open the file: what is not ours is not touched, not even its log.

    Raises:
        GalleryError: If the path is no file, its folder is missing, or the file is foreign.
    """
    if path.exists() and not path.is_file():
        raise GalleryError(f"{path} is not a file; a gallery is one file")
    if not path.parent.is_dir():
        raise GalleryError(f"there is no folder {path.parent} to hold the gallery; make it first")
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER_SIZE)
    except FileNotFoundError:
        head = b""
    except OSError as error:
        raise GalleryError(f"{path} cannot be read: {error}") from error
    if not head:
        return None
    if not head.startswith(_MAGIC) or len(head) < _HEADER_SIZE:
        raise GalleryError(
            f"{path} is not a Vultus gallery, or its beginning is damaged; give another path or "
            "restore a backup, it is left as it is"
        )
    if int.from_bytes(head[_APPLICATION_ID]) != APPLICATION_ID:
        raise GalleryError(
            f"{path} is not a Vultus gallery; give another path, it is left as it is"
        )
    return int.from_bytes(head[_USER_VERSION])


def check_file(path: Path, *, may_create: bool) -> None:
    """Refuse what is no gallery of this version.

    Args:
        path: The file.
        may_create: Whether it may be missing.

    Raises:
        GalleryError: As `file_version`, or if it is missing or of another version.
    """
    version = file_version(path)
    if version is None and not may_create:
        raise GalleryError(
            f"there is no gallery at {path}; enrol somebody to make one (`Gallery.open` makes one "
            "of a given space)"
        )
    if version not in (None, SCHEMA_VERSION, *UPGRADES):
        way = (
            "`Gallery.open` brings it to this format"
            if version == 1
            else "open it with the version of Vultus that made it"
        )
        raise GalleryError(
            f"{path} has gallery format {version}, this Vultus reads {SCHEMA_VERSION}; {way}"
        )
