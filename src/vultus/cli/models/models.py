"""`vultus models`: the files that Vultus runs, where they come from and what they allow."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from vultus.cli.output import JsonOption, err, out, print_json
from vultus.core.choices import Task
from vultus.core.errors import DigestError
from vultus.matching.calibration import load_calibration
from vultus.models.built_in import built_in_files
from vultus.models.cards import ModelCard
from vultus.models.store import ModelStore

NameArgument = Annotated[str, typer.Argument(help="A name of `vultus models list`.")]
NamesArgument = Annotated[list[str], typer.Argument(help="Names of `vultus models list`.")]


def list_models(
    task: Annotated[
        Task | None, typer.Option("--task", help="Only models of this task.", show_default=False)
    ] = None,
    json: JsonOption = False,
) -> None:
    """List the known models, and which are on this machine."""
    store = ModelStore()
    rows = [_row(store, store.card(name)) for name in store.names(task)]
    if json:
        print_json(rows)
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("name", "task", "here", "commercial", "tried"):
        table.add_column(heading, no_wrap=True)
    table.add_column("description")
    for row in rows:
        marks = ("yes" if row[key] else "no" for key in ("commercial_use", "verified"))
        table.add_row(row["name"], row["task"], row["here"], *marks, escape(row["description"]))
    out.print(table)


def show(name: NameArgument, json: JsonOption = False) -> None:
    """Show a model's card: licence, origin, digest, input, thresholds; and its calibration here."""
    store = ModelStore()
    card = store.card(name)
    values = card.to_dict() | {"here": _place(store, name)}
    path = store.calibration_path(name)
    if path.is_file():
        values["calibration"] = _calibration(path, json=json)
    if json:
        print_json(values)
        return
    for key, value in values.items():
        if value == "":
            continue
        out.print(f"[bold]{key}[/]: {escape(_text(value))}", soft_wrap=True)


def pull(
    names: NamesArgument,
    accept_licence: Annotated[
        bool,
        typer.Option("--accept-licence", help="Accept the models' licences (recorded, once)."),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Bring models into the store, from a mirror or the network."""
    store = ModelStore()
    pulled = []
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        for name in names:
            bar = progress.add_task(name, total=None)

            def advance(done: int, total: int | None, bar: Any = bar) -> None:
                progress.update(bar, completed=done, total=total)

            path = store.pull(name, accept=accept_licence, progress=advance)
            pulled.append({"name": name, "path": str(path), "sha256": store.card(name).sha256})
    _print_rows(pulled, json=json)


def verify(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names; without, all that are on this machine.")
    ] = None,
    json: JsonOption = False,
) -> int:
    """Read model files again and compare their SHA-256; exit code 2 if one is not right."""
    store = ModelStore()
    rows: list[dict[str, Any]] = []
    for name in names or [name for name in store.names() if _place(store, name)]:
        try:
            rows.append({"name": name, "path": str(store.verify(name)), "right": True})
        except DigestError as error:
            rows.append({"name": name, "error": str(error), "right": False})
    _print_rows(rows, json=json)
    return 0 if all(row["right"] for row in rows) else 2


def path(name: NameArgument, json: JsonOption = False) -> None:
    """Print where a model's file is; downloads nothing."""
    found = ModelStore().path(name)
    if json:
        print_json({"name": name, "path": str(found)})
    else:
        out.print(str(found), markup=False, soft_wrap=True)


def remove(name: NameArgument, json: JsonOption = False) -> None:
    """Delete a model's file and calibration from the store (and the card, if imported)."""
    store = ModelStore()
    store.remove(name)
    if json:
        print_json({"name": name, "removed": True})
    else:
        out.print(f"{name}: removed from {store.root}", markup=False, soft_wrap=True)


def _row(store: ModelStore, card: ModelCard) -> dict[str, Any]:
    return {
        "name": card.name,
        "task": card.task,
        "here": _place(store, card.name),
        "commercial_use": card.licence.commercial_use,
        "verified": card.verified,
        "licence": card.licence.name,
        "description": card.description,
    }


def _place(store: ModelStore, name: str) -> str:
    """Where the model's file is; "changed" if so in the store, "" if nowhere."""
    try:
        found = store.find(name)
    except DigestError:
        return "changed"
    if found is None:
        return ""
    if found.is_relative_to(built_in_files()):
        return "built in"
    return "store" if found.is_relative_to(store.root) else "mirror"


def _calibration(path: Path, *, json: bool) -> Any:
    """All of it for JSON; what it stands on and its thresholds for reading."""
    found = load_calibration(path)
    if json:
        return found.to_dict()
    data, curves, fitted = found.data, found.fpir_curves, found.match_probability
    photos = (
        "not measured"
        if curves is None
        else ", ".join(
            f"{level.photos_per_person} ({level.n_people:,} people)" for level in curves.levels
        )
    )
    return {
        "file": str(path),
        "space": str(found.space),
        "created": found.created,
        "people": f"{data.n_people:,} of {data.name}, checked on {data.n_people_held_out:,} others",
        "detector": data.detector or "aligned crops or embeddings",
        "FPIR for galleries with so many photos each": photos,
        "probability": "not measured" if fitted is None else fitted.method,
        "thresholds": "".join(f"\n  {point}" for point in found.thresholds.points),
    }


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_text(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return "\n".join(_text(inner) for inner in value) if value else "none measured"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _print_rows(rows: list[dict[str, Any]], *, json: bool) -> None:
    if json:
        print_json(rows)
        return
    for row in rows:
        right = "" if row.get("right", True) else "NOT RIGHT: "
        detail = row.get("error", row.get("path"))
        out.print(f"{row['name']}: {right}{detail}", markup=False, soft_wrap=True)
