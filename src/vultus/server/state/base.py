"""`ServiceState`: where a service keeps what it must not forget, whatever keeps it."""

from contextlib import AbstractContextManager
from typing import Any, Protocol


class SealedPieces(Protocol):
    """What was uploaded for a job, in pieces that were sealed before they come here."""

    def put(self, number: int, sealed: bytes) -> None:
        """Keep a piece; they come in order, from 0."""

    def end(self, *, whole: bool) -> None:
        """No more will come; if it is whole, it outlives a power cut when this returns."""

    def read(self, number: int) -> bytes:
        """A piece.

        Raises:
            InputError: If it is gone.
        """

    def remove(self) -> None:
        """Remove all; where there is nothing, that is fine."""


class ServiceState(Protocol):
    """Tables of a service; threads may share it.

    The SQL is what SQLite and PostgreSQL have in common, values are marked by ``?``. Nothing in it
    names a person or shows a face in clear: what could is sealed.

    Attributes:
        shared: Whether other processes may work on the same tables at this moment.
        boot: New whenever the process begins; by `is_alive` others know whether it goes on.
    """

    shared: bool

    @property
    def boot(self) -> str:
        """See the class."""

    def close(self) -> None:
        """Close it; closing twice is fine."""

    def transaction(self) -> AbstractContextManager[None]:
        """What is changed inside is kept whole when the block ends, or not at all.

        Nobody else changes anything meanwhile, so what is read inside stays true.
        """

    def define(self, *statements: str) -> None:
        """Make tables where there are none; a database has them by its migrations."""

    def change(self, sql: str, *values: object) -> int:
        """Change rows, kept when this returns or the transaction around it; gives how many."""

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """What a question gives."""

    def row(self, sql: str, *values: object) -> tuple[Any, ...] | None:
        """The first row that a question gives."""

    def scrub(self) -> None:
        """Let nothing that was deleted stay in the log of changes, where that can be asked for."""

    def hold(self, what: str) -> bool:
        """Be the one process that does something; False if another one is.

        It ends with the process, however that ends. Who holds it asks again and again: a process
        that lost the connection by which it held learns of it here.
        """

    def release(self, what: str) -> None:
        """Let another process do it."""

    def is_alive(self, boot: str) -> bool:
        """Whether the process that began as `boot` goes on."""

    def pieces(self, job_id: str) -> SealedPieces:
        """Where what is uploaded for a job is, or will be."""

    def remove_strays(self, known: set[str]) -> None:
        """Remove what was uploaded for jobs that are not among those known."""
