"""Facts in a SQLite file, and how many items and events there are, bound to the gallery's key."""

from collections.abc import Iterator, Mapping

from vultus.gallery.stores.bound_counts import ROWS_MISSING, BoundCounts, Kept
from vultus.gallery.stores.sqlite_file import SqliteFile
from vultus.gallery.stores.sqlite_rows import typed

_BY_SUMS: Mapping[Kept, str] = {
    "items": "FROM item_sums WHERE key_id = 0",
    "events": "FROM event_sums WHERE stream = 0 AND type = ''",
}


class SqliteCounts(BoundCounts, SqliteFile):
    """What `vultus.gallery.stores.sqlite.SqliteStore` does about facts, and counts what it keeps.

    Triggers count rows by what they are looked up by; here they are counted once more, where no
    trigger reaches. Arguments and errors are those of `SqliteFile`.
    """

    def meta(self, key: str) -> bytes | None:
        """See `GalleryStore`."""
        row = self._row("SELECT value FROM meta WHERE key = ?", key)
        return None if row is None else typed(row, bytes)[0]

    def set_meta(self, key: str, value: bytes | None) -> None:
        """See `GalleryStore`."""
        if value is None:
            self._change("DELETE FROM meta WHERE key = ?", key)
        else:
            self._change(
                "INSERT INTO meta VALUES (?, ?)"
                " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                *(key, value),
            )

    def _summed(self, table: Kept, where: str, *values: object) -> tuple[int, int]:
        """How many rows there are, and the sum of their numbers."""
        sql = f"SELECT count(*), coalesce(sum(rowid), 0) FROM {table} WHERE {where}"  # noqa: S608
        n, total = typed(self._rows(sql, *values)[0], int, int)
        return n, total

    def _count_added(self, table: Kept, number: int) -> None:
        """Count a row that came, outside of what a ``DELETE`` by another program counts."""
        self._count_kept(table, 1, number)

    def _count_gone(self, table: Kept, gone: tuple[int, int]) -> None:
        """Count rows that went: how many, and the sum of their numbers."""
        if gone[0]:
            self._count_kept(table, -gone[0], -gone[1])

    def _counts_now(self, table: Kept) -> tuple[int, int]:
        return self._summed(table, "true")

    def _wrong_when_opened(self) -> Iterator[str]:
        """What is told by the triggers' sums, which takes no walk through the rows."""
        for table, where in _BY_SUMS.items():
            kept = self._kept(table)
            sql = f"SELECT coalesce(sum(n), 0), coalesce(sum(total), 0) {where}"
            if kept is not None and self._rows(sql) != [kept]:
                yield ROWS_MISSING.format(table)
