"""`vultus models`: the files that Vultus runs, where they come from and what they allow."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vultus.cli.output import (
    ExitCode,
    FormOptions,
    JsonOption,
    console,
    print_csv,
    print_json,
    print_table,
    say,
    say_fields,
    visible,
)
from vultus.core.choices import Task
from vultus.core.errors import DigestError

if TYPE_CHECKING:
    from vultus.models.cards import ModelCard
    from vultus.models.store import ModelStore

_CSV_COLUMNS = (
    "name", "task", "here", "commercial_use", "verified", "licence", "description",
)  # fmt: skip

NameArgument = Annotated[str, typer.Argument(help="A name of `vultus models list`.")]
NamesArgument = Annotated[list[str], typer.Argument(help="Names of `vultus models list`.")]


def list_models(
    task: Annotated[
        Task | None, typer.Option(help="Only models of this task.", show_default=False)
    ] = None,
    *,
    form: FormOptions,
) -> None:
    """List the known models, and which are on this machine; as text, known committees, too."""
    store = _store()
    rows = [_row(store, store.card(name)) for name in store.names(task)]
    if form.json:
        print_json(rows)
        return
    if form.csv:
        print_csv(_CSV_COLUMNS, ([_csv(row[name]) for name in _CSV_COLUMNS] for row in rows))
        return
    keys = ("name", "task", "here", "commercial_use", "verified", "description")
    head = ("name", "task", "here", "commercial", "tried", "description")
    print_table(head, [[_text(row[key]) for key in keys] for row in rows], lines=False)
    if task in (None, "embedding"):
        _print_committees(store)


def show(name: NameArgument, json: JsonOption = False) -> None:
    """Show a model's card: licence, origin, digest, input, thresholds; and its calibration here.

    For a committee (vultus-s2+dlib-resnet) that which its members' cards make together.
    """
    store = _store()
    card = store.card(name)
    values = card.to_dict() | {"here": store.place(name) or ""}
    path = store.calibration_path(card.name)
    if path.is_file():
        values["calibration"] = _calibration(path, json=json)
    if json:
        print_json(values)
        return
    say_fields({key: _text(value) for key, value in values.items() if value != ""})


def pull(
    names: NamesArgument,
    accept_licence: Annotated[
        bool,
        typer.Option("--accept-licence", help="Accept the models' licences (recorded, once)."),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Bring models into the store, from a mirror or the network."""
    store = _store()
    pulled = []
    with _download_bars() as bar:
        for name in names:
            path = store.pull(name, accept=accept_licence, progress=bar(name))
            pulled.append({"name": name, "path": str(path), "sha256": store.card(name).sha256})
    _print_rows(pulled, json=json)


def verify(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names; without, all that are on this machine.")
    ] = None,
    json: JsonOption = False,
) -> int:
    """Read model files again and compare their SHA-256; exit code 2 if one is not right."""
    store = _store()
    rows: list[dict[str, Any]] = []
    for name in names or [name for name in store.names() if store.place(name)]:
        try:
            rows.append({"name": name, "path": str(store.verify(name)), "right": True})
        except DigestError as error:
            rows.append({"name": name, "error": str(error), "right": False})
    _print_rows(rows, json=json)
    return ExitCode.OK if all(row["right"] for row in rows) else ExitCode.BAD_INPUT


def path(name: NameArgument, json: JsonOption = False) -> None:
    """Print where a model's file is; downloads nothing."""
    found = _store().path(name)
    if json:
        print_json({"name": name, "path": str(found)})
    else:
        say(str(found))


def remove(name: NameArgument, json: JsonOption = False) -> None:
    """Delete a model's file and calibration from the store (and the card, if imported)."""
    store = _store()
    store.remove(name)
    if json:
        print_json({"name": name, "removed": True})
    else:
        say(f"{name}: removed from {store.root}")


def _print_committees(store: "ModelStore") -> None:
    from vultus.models.committee import known_committees

    keys = ("name", "here", "commercial_use", "description")
    rows = [_row(store, store.card(name)) for name in known_committees()]
    cells = [[_text(row[key]) for key in keys] for row in rows]
    print_table(("committee", "here", "commercial", "members"), cells, lines=False)


def _row(store: "ModelStore", card: "ModelCard") -> dict[str, Any]:
    return {
        "name": card.name,
        "task": card.task,
        "here": store.place(card.name) or "",
        "commercial_use": card.licence.commercial_use,
        "verified": card.verified,
        "licence": card.licence.name,
        "description": card.description,
    }


def _csv(value: str | bool) -> str:
    return _text(value) if isinstance(value, bool) else value


def _store() -> "ModelStore":
    from vultus.models.store import ModelStore

    return ModelStore()


@contextmanager
def _download_bars() -> Iterator[Callable[[str], Callable[[int, int | None], None]]]:
    """Makes a bar a model, in bytes, on a terminal's stderr."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    err = console(stderr=True)
    text = TextColumn("{task.description}", markup=False)
    columns = (text, BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as shown:

        def bar(name: str) -> Callable[[int, int | None], None]:
            task = shown.add_task(visible(name), total=None)
            return lambda done, total: shown.update(task, completed=done, total=total)

        yield bar


def _calibration(path: Path, *, json: bool) -> Any:
    """All of it for JSON; what it stands on and its thresholds for reading."""
    from vultus.matching.calibration import load_calibration

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
        say(f"{row['name']}: {right}{detail}")
