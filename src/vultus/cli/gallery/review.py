"""`vultus gallery review`: faces that wait for somebody to say who they are."""

from collections.abc import Mapping
from typing import Annotated

import typer

from vultus.cli.gallery.options import FileArgument, KeyOptions
from vultus.cli.output import ExitCode, JsonOption, one_line, print_json, print_table, say
from vultus.gallery.stores.places import shown

NumbersArgument = Annotated[list[int], typer.Argument(help="Of the faces, as `list` tells them.")]


def allow(
    file: FileArgument,
    opener: KeyOptions,
    days: Annotated[float, typer.Option(help="How long a face is kept, above 0.")] = 30.0,
    doubtful_within: Annotated[
        float,
        typer.Option(
            help="Keep faces that were named, too, if their similarity is above the limit by less."
        ),
    ] = 0.0,
    json: JsonOption = False,
) -> int:
    """Let a gallery keep the faces that `identify` calls unknown, until somebody names them."""
    from vultus.gallery.review.queue import ReviewQueue, ReviewRules

    rules = ReviewRules(days=days, doubtful_within=doubtful_within)
    with opener.open(file) as gallery:
        ReviewQueue(gallery).allow(rules)
    told = {"days": days, "doubtful_within": doubtful_within}
    return _done(json, told, f"{shown(file)} keeps unknown faces for {days:g} days")


def forbid(file: FileArgument, opener: KeyOptions, json: JsonOption = False) -> int:
    """Let a gallery keep no unknown faces any more, and delete those that wait."""
    from vultus.gallery.review.queue import ReviewQueue

    with opener.open(file) as gallery:
        deleted = ReviewQueue(gallery).forbid()
    return _done(
        json, {"deleted": deleted}, f"{shown(file)} keeps no unknown faces; {deleted} deleted"
    )


def list_faces(file: FileArgument, opener: KeyOptions, json: JsonOption = False) -> int:
    """List the faces that wait, with who they may be."""
    from vultus.gallery.review.queue import ReviewQueue

    with opener.open(file) as gallery:
        queue = ReviewQueue(gallery)
        faces, allowed = queue.faces(), queue.rules() is not None
    if json:
        print_json({"allowed": allowed, "faces": [face.to_dict() for face in faces]})
        return ExitCode.OK
    rows = [
        (
            str(face.number),
            one_line(face.source or "-"),
            face.kept_at,
            ", ".join(f"{one_line(c.identity)} {c.similarity:.2f}" for c in face.suggestions),
        )
        for face in faces
    ]
    print_table(("number", "photo", "kept", "perhaps"), rows)
    if not allowed:
        say("this gallery keeps no unknown faces; `vultus gallery review allow` changes that")
    return ExitCode.OK


def assign(
    file: FileArgument,
    name: Annotated[str, typer.Argument(help="Who it is; enrolled if need be.")],
    numbers: NumbersArgument,
    opener: KeyOptions,
    force: Annotated[
        bool, typer.Option("--force", help="Take faces unlike the person's other photos, too.")
    ] = False,
    json: JsonOption = False,
) -> int:
    """Say who faces are: they become photos of that person."""
    from vultus.gallery.review.queue import ReviewQueue

    with opener.open(file) as gallery:
        done = ReviewQueue(gallery).assign(numbers, name, force=force)
    left_out = {
        number: list(why)
        for number, why in zip(sorted(set(numbers)), done.reasons, strict=True)
        if why
    }
    if json:
        print_json({"name": done.identity, "added": done.added, "left_out": left_out})
    else:
        photos = "photo" if done.added == 1 else "photos"
        say(f"{one_line(done.identity)}: {done.added} {photos} enrolled")
        for number, why in left_out.items():
            say(f"  {number} goes on waiting: {'; '.join(why)}")
    return ExitCode.OK


def deny(
    file: FileArgument,
    number: Annotated[int, typer.Argument(help="Of the face.")],
    name: Annotated[str, typer.Argument(help="Who it is not.")],
    opener: KeyOptions,
    json: JsonOption = False,
) -> int:
    """Say who a face is not; that person is not suggested for it, or for one like it."""
    from vultus.gallery.review.queue import ReviewQueue

    with opener.open(file) as gallery:
        ReviewQueue(gallery).deny(number, name)
    return _done(json, {"face": number, "not": name}, f"face {number} is not {name}")


def dismiss(
    file: FileArgument, numbers: NumbersArgument, opener: KeyOptions, json: JsonOption = False
) -> int:
    """Delete faces that wait."""
    from vultus.gallery.review.queue import ReviewQueue

    with opener.open(file) as gallery:
        ReviewQueue(gallery).dismiss(numbers)
    return _done(json, {"deleted": numbers}, f"deleted: {', '.join(map(str, numbers))}")


def _done(json: bool, told: Mapping[str, object], text: str) -> int:
    if json:
        print_json(told)
    else:
        say(one_line(text))
    return ExitCode.OK
