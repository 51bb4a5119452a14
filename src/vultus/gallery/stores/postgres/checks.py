"""What must add up in the tables of a gallery: a problem, and a query that finds rows of it."""

from typing import LiteralString

LOOKS: tuple[tuple[str, LiteralString], ...] = (
    (
        "people: not as many as were counted",
        "SELECT FROM (SELECT n_faces, count(*) FROM vultus_db.people GROUP BY 1 EXCEPT"
        " SELECT n_faces, n_people FROM vultus_db.sizes) AS a",
    ),
    (
        "sizes: people were counted who are not there",
        "SELECT FROM (SELECT n_faces, n_people FROM vultus_db.sizes WHERE n_people <> 0"
        " EXCEPT SELECT n_faces, count(*) FROM vultus_db.people GROUP BY 1) AS a",
    ),
    (
        "keys: rows are missing",
        "SELECT FROM vultus_db.counters WHERE last_key <> (SELECT count(*) FROM vultus_db.keys)",
    ),
    (
        "people: somebody has no key, or a destroyed one",
        "SELECT FROM vultus_db.people AS p LEFT JOIN vultus_db.keys AS k ON k.id = p.id"
        " WHERE k.id IS NULL OR trim('\\x00'::bytea FROM wrapped) = ''",
    ),
    (
        "keys: one is of nobody, and not destroyed",
        "SELECT FROM vultus_db.keys AS k WHERE trim('\\x00'::bytea FROM wrapped) <> ''"
        " AND NOT EXISTS (SELECT FROM vultus_db.people AS p WHERE p.id = k.id)"
        " AND NOT EXISTS (SELECT FROM vultus_db.items WHERE key_id = k.id)",
    ),
    (
        "the log of changes has gaps",
        "SELECT FROM vultus_db.counters WHERE last_change - changes_from <>"
        " (SELECT count(*) FROM vultus_db.changes)",
    ),
    (
        "events: there are positions above the last",
        "SELECT FROM vultus_db.counters WHERE last_event <"
        " (SELECT max(position) FROM vultus_db.events)",
    ),
)
