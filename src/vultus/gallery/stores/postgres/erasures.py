"""Who was erased from a gallery in a database, noted beside the gallery's own tables."""

from vultus.gallery.stores.postgres.store import PostgresStore


class DatabaseErasures:
    """The notes of what was erased from one gallery, kept under its name.

    They outlive the gallery: one that is restored from a backup under the same name loses who was
    erased since. A copy of the whole database holds an older state of both: keep this table
    (``vultus_db.erasures``) elsewhere, too.

    Args:
        store: Of the gallery.
        gallery_id: 16 bytes. Notes of another gallery that had this name are passed over.
    """

    def __init__(self, store: PostgresStore, *, gallery_id: bytes) -> None:
        self._store = store
        self._gallery_id = gallery_id

    @property
    def place(self) -> str:
        """The table."""
        return f"the table vultus_db.erasures of {self._store.location}"

    @property
    def unit(self) -> str:
        """Notes."""
        return "notes"

    def size(self) -> int:
        """How many notes there are."""
        return self._store.n_erasures()

    def append(self, uid: bytes, *, at: str, digest: bytes) -> int:
        """Note an erasure, in the transaction that does it.

        Args:
            uid: The person's 16 random bytes.
            at: When, ISO 8601.
            digest: Of the entry in the audit log.

        Returns:
            How many notes there are with it.
        """
        return self._store.add_erasure(self._gallery_id, uid, at=at, digest=digest)

    def erased(self, *, within: int | None = None) -> tuple[list[bytes], int]:
        """The 16 random bytes of everybody who was erased from this gallery; how many notes.

        Args:
            within: Only the first so many notes; None for all.
        """
        notes = self._store.erasures()[:within]
        return [uid for vault, uid, _ in notes if vault == self._gallery_id], len(notes)

    def digests(self) -> frozenset[bytes]:
        """Digests of the entries in the audit log of all erasures that are noted."""
        notes = self._store.erasures()
        return frozenset(digest for vault, _, digest in notes if vault == self._gallery_id)
