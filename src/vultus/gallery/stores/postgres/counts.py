"""Facts in a database, and how many items and events there are, bound to the gallery's key."""

from collections.abc import Iterator, Mapping
from typing import LiteralString

from vultus.gallery.stores.bound_counts import BoundCounts, Kept
from vultus.gallery.stores.postgres.transactions import PostgresTransactions

_SUMS: Mapping[Kept, LiteralString] = {
    "items": "SELECT count(*), coalesce(sum(id), 0)::bigint FROM vultus_db.items",
    "events": "SELECT count(*), coalesce(sum(position), 0)::bigint FROM vultus_db.events",
}


class PostgresCounts(BoundCounts, PostgresTransactions):
    """What `vultus.gallery.stores.postgres.store.PostgresStore` does about facts and counts.

    Who can write the tables as their owner could take rows away unseen; the numbers that are kept
    here only who has the gallery's key can put right. Arguments and errors are those of
    `PostgresTransactions`.
    """

    def meta(self, key: str) -> bytes | None:
        """See `GalleryStore`."""
        row = self._row("SELECT value FROM vultus_db.meta WHERE key = %s", key)
        return None if row is None else bytes(row[0])

    def set_meta(self, key: str, value: bytes | None) -> None:
        """See `GalleryStore`."""
        if value is None:
            self._change("DELETE FROM vultus_db.meta WHERE key = %s", key)
        else:
            self._change(
                "INSERT INTO vultus_db.meta (key, value) VALUES (%s, %s)"
                " ON CONFLICT (gallery, key) DO UPDATE SET value = excluded.value",
                *(key, value),
            )

    def _count_rows(self, table: Kept, *numbers: int, sign: int = 1) -> None:
        """Count rows of these numbers that came, or went, after the tables were changed."""
        if numbers:
            self._count_kept(table, sign * len(numbers), sign * sum(numbers))

    def _counts_now(self, table: Kept) -> tuple[int, int]:
        """How many rows there are, and the sum of their numbers."""
        n, total = self._rows(_SUMS[table])[0]
        return int(n), int(total)

    def _wrong_when_opened(self) -> Iterator[str]:
        return self._wrong_counts()
