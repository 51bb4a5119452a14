"""Options that the commands for many processes share."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vultus.core.choices import DEFAULT_HANGS_AFTER_S
from vultus.core.errors import InputError

if TYPE_CHECKING:
    from vultus.bulk.workers import Workers


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """Who does the work."""

    workers: Annotated[
        int | None,
        typer.Option(
            help="Processes on this machine; else one, or those of --cluster.", show_default=False
        ),
    ] = None
    cluster: Annotated[
        str | None,
        typer.Option(
            help="Address of a Dask scheduler instead: tls://host:8786, or tcp://127.0.0.1:8786. "
            "All its workers must see the same paths.",
            metavar="ADDRESS",
            show_default=False,
        ),
    ] = None
    tls_ca: Annotated[
        Path | None,
        typer.Option(help="For tls://: the authority's certificate, PEM.", show_default=False),
    ] = None
    tls_cert: Annotated[
        Path | None,
        typer.Option(help="For tls://: one's own certificate, PEM.", show_default=False),
    ] = None
    tls_key: Annotated[
        Path | None,
        typer.Option(help="For tls://: its private key, PEM.", show_default=False),
    ] = None
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure",
            help="Talk to another machine by tcp:// all the same: whoever reaches its ports can "
            "run code there and here.",
        ),
    ] = False

    @contextmanager
    def open(self) -> "Iterator[Workers]":
        """The workers, for as long as the block goes."""
        from vultus.bulk.workers import TlsFiles, open_workers

        given = (self.tls_ca, self.tls_cert, self.tls_key)
        tls = None
        if any(path is not None for path in given):
            ca, cert, key = given
            if ca is None or cert is None or key is None:
                raise InputError("give all of --tls-ca, --tls-cert and --tls-key, or none")
            tls = TlsFiles(ca=ca, cert=cert, key=key)
        with open_workers(
            n=self.workers, address=self.cluster, tls=tls, insecure=self.insecure, **self._more()
        ) as workers:
            yield workers

    def _more(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoWorkerOptions(WorkerOptions):
    """Who looks at photos, any of which may kill a process or hang it."""

    hangs_after: Annotated[
        float,
        typer.Option(
            help="A process that gets through no photo for so long hangs: it is ended, and the "
            "photo found and set aside.",
            metavar="SECONDS",
            min=1.0,
            max=1e6,
        ),
    ] = DEFAULT_HANGS_AFTER_S

    def _more(self) -> dict[str, Any]:
        return {"hangs_after_s": self.hangs_after}
