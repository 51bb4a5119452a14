"""`vultus gallery create | show | rename | note | merge | merges | undo`."""

from dataclasses import asdict
from typing import Annotated

import typer

from vultus.cli.gallery.details import DetailOptions
from vultus.cli.gallery.options import FileArgument, KeyOptions
from vultus.cli.options import RecognizerOptions
from vultus.cli.output import ExitCode, JsonOption, one_line, print_json, print_table, say
from vultus.core.errors import InputError
from vultus.gallery.stores.places import shown

NameArgument = Annotated[str, typer.Argument(help="Who.")]


def create(
    file: FileArgument,
    models: RecognizerOptions,
    opener: KeyOptions,
    keep_crops: Annotated[
        bool,
        typer.Option(
            "--keep-crops", help="Keep the aligned crops of faces, for another model to embed."
        ),
    ] = False,
    json: JsonOption = False,
) -> int:
    """Make an empty gallery for one model's embeddings, sealed if a key is given."""
    from vultus.gallery.moving.crops import KeptCrops
    from vultus.gallery.stores.opening import is_there

    if is_there(file):
        raise InputError(f"{shown(file)} exists; give the name of a new gallery")
    with opener.open_or_make(file, models.open()) as gallery:
        space, sealed = gallery.space, gallery.protected
        if keep_crops:
            KeptCrops(gallery).allow()
    told = {"gallery": shown(file), "space": space.to_dict(), "sealed": sealed, "crops": keep_crops}
    return _done(json, told, f"{shown(file)}: an empty gallery of {space.model}")


def show(
    file: FileArgument, name: NameArgument, opener: KeyOptions, json: JsonOption = False
) -> int:
    """Tell what is known of a person: groups, ids, consent, photos, events; no vectors."""
    from vultus.gallery.events.log import EventLog
    from vultus.gallery.moving.crops import KeptCrops

    with opener.open(file) as gallery:
        person = gallery.person(name)
        photos = gallery.photos(name)
        events = EventLog(gallery).counts(person.uid)
        crops = KeptCrops(gallery).count(name)
    if json:
        print_json({**person.to_dict(), "photos": photos, "events": events, "crops": crops})
        return ExitCode.OK
    say(one_line(person.identity), style="bold")
    for key, value in asdict(person).items():
        if value not in (None, (), {}) and key != "identity":
            say(f"  {key.replace('_', ' ')}: {_text(value)}")
    if events:
        say("  events: " + ", ".join(f"{count} {kind}" for kind, count in events.items()))
    if crops:
        say(f"  crops kept: {crops}")
    rows = [
        (
            str(photo["source"] or "-"),
            "-" if photo["quality"] is None else f"{photo['quality']:.2f}",
            str(photo["enrolled_at"]),
            str(photo["enrolled_by"] or "-") + (" (forced)" if photo["forced"] else ""),
        )
        for photo in photos
    ]
    print_table(("photo", "quality", "enrolled", "by"), rows)
    return ExitCode.OK


def rename(
    file: FileArgument,
    name: NameArgument,
    new: Annotated[str, typer.Argument(help="The new name.")],
    opener: KeyOptions,
    json: JsonOption = False,
) -> int:
    """Give a person another name; everything else stays."""
    with opener.open(file) as gallery:
        gallery.rename(name, new)
    return _done(json, {"renamed": name, "name": new}, f"{name} is called {new} now")


def note(
    file: FileArgument,
    name: NameArgument,
    noted: DetailOptions,
    opener: KeyOptions,
    json: JsonOption = False,
) -> int:
    """Note something of a person: id elsewhere, groups, metadata, consent, retention."""
    details = noted.details()
    if details is None:
        raise InputError("there is nothing to note; give --group, --external-id or the like")
    with opener.open(file) as gallery:
        gallery.note(name, details)
        person = gallery.person(name)
    return _done(json, person.to_dict(), f"noted of {name}")


def merge(
    file: FileArgument,
    name: Annotated[str, typer.Argument(help="Who is to be gone.")],
    into: Annotated[str, typer.Argument(help="Who remains.")],
    opener: KeyOptions,
    json: JsonOption = False,
) -> int:
    """Make one person of two; `undo` parts them again."""
    from vultus.gallery.review.merging import merge as make_one

    with opener.open(file) as gallery:
        number = make_one(gallery, name, into)
    told = {"merge": number, "name": name, "into": into}
    return _done(json, told, f"{name} is {into} now; `vultus gallery undo` knows it as {number}")


def merges(file: FileArgument, opener: KeyOptions, json: JsonOption = False) -> int:
    """List the merges that can be undone."""
    from vultus.gallery.review.merging import merges as done

    with opener.open(file) as gallery:
        found = done(gallery)
    if json:
        print_json({"merges": [made.to_dict() for made in found]})
    else:
        rows = [
            (str(m.number), m.merged_at, one_line(m.identity), one_line(m.into), str(m.n_photos))
            for m in found
        ]
        print_table(("number", "when", "who", "into", "photos"), rows)
    return ExitCode.OK


def undo(
    file: FileArgument,
    number: Annotated[int, typer.Argument(help="Of the merge, as `merges` lists it.")],
    opener: KeyOptions,
    name: Annotated[
        str | None,
        typer.Option(
            help="What to call who is back, where the old name is taken.", show_default=False
        ),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Undo a merge: who was gone is a person again, with photos and notes."""
    from vultus.gallery.review.merging import unmerge

    with opener.open(file) as gallery:
        back = unmerge(gallery, number, name=name)
    return _done(json, {"merge": number, "name": back}, f"{back} is back")


def _done(json: bool, told: dict[str, object], text: str) -> int:
    if json:
        print_json(told)
    else:
        say(one_line(text))
    return ExitCode.OK


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return "; ".join(f"{key} {one_line(str(item))}" for key, item in value.items() if item)
    return one_line(str(value))
