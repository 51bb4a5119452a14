"""`vultus identify`: who of the enrolled people is in these photos?"""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vultus.cli.gallery.options import KeyOptions
from vultus.cli.options import CacheOption, FpirOptions, PhotosArgument, RecognizerOptions
from vultus.cli.output import (
    ExitCode,
    TableOptions,
    one_line,
    print_csv,
    print_json,
    print_table,
    progress_bar,
    report_enrolled,
    report_note,
    say,
    track,
)
from vultus.cli.recognise.detect import write_drawn
from vultus.core.choices import DEFAULT_SELECT, Selection
from vultus.core.errors import InputError
from vultus.gallery.stores.places import may_be_gallery, shown

if TYPE_CHECKING:
    from vultus.gallery.gallery import Gallery
    from vultus.pipeline.photos import Skipped
    from vultus.pipeline.recognizer import Recognizer


_RATES = ("fpir", "fpir_high", "fnir", "fnir_high")
_CSV = (
    "photo",
    "face",
    *("x1", "y1", "x2", "y2"),
    "identity",
    "nearest",
    "similarity",
    "threshold",
    "note",
    *_RATES,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerOptions(TableOptions):
    """How the answers are shown."""

    draw: Annotated[
        Path | None,
        typer.Option(help="Write copies with boxes and names into this folder.", metavar="DIR"),
    ] = None
    log: Annotated[
        bool, typer.Option("--log", help="Note each decision in the gallery's audit log.")
    ] = False

    one_person: Annotated[
        bool,
        typer.Option(
            "--one-person",
            help="All photos show one unknown person: fuse them, and answer once.",
        ),
    ] = False

    def check(self) -> None:
        """Refuse what can be no folder before people are enrolled and photos looked at."""
        from vultus.core.files import check_folder

        if self.one_person and self.draw is not None:
            raise InputError(
                "--one-person fuses photos, there is none to draw on: leave out --draw"
            )
        if self.draw is not None:
            check_folder(self.draw)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleOptions:
    """Who is known."""

    gallery: Annotated[
        Path, typer.Option(help="A gallery file, or a folder with one folder of photos per person.")
    ]
    select: Annotated[
        Selection,
        typer.Option(
            help="With a folder as gallery: which face of a photo is meant that shows several."
        ),
    ] = DEFAULT_SELECT
    cache: CacheOption = None


def identify(
    photos: PhotosArgument,
    people: PeopleOptions,
    decision: FpirOptions,
    models: RecognizerOptions,
    opener: KeyOptions,
    report: AnswerOptions,
) -> int:
    """Name the people in photos or call them unknown; exit code 0 all named, 1 someone unknown."""
    from vultus.pipeline.enrolment import folder_gallery
    from vultus.pipeline.photos import Skipped

    report.check()
    recognizer, skipped = models.open(cache=people.cache or "user"), Skipped(on_note=report_note)
    recognizer.max_fnir = decision.max_fnir
    file = people.gallery
    if report.log and not may_be_gallery(file):
        raise InputError("--log needs a gallery file, a folder has no audit log")
    with ExitStack() as stack:
        if may_be_gallery(file):
            known = stack.enter_context(opener.open(file))
        elif file.is_dir():
            _check_size(recognizer, file, decision)
            with progress_bar() as progress:
                known = stack.enter_context(
                    folder_gallery(
                        recognizer, file, on_error=skipped, select=people.select, progress=progress
                    )
                )
            report_enrolled(sum(p.n_photos for p in known.identities()), skipped)
        else:
            raise InputError(
                f"--gallery must be a gallery or a folder of people, there is no {shown(file)}"
            )
        faces = named_faces(recognizer, known, photos, decision, skipped, report)
    return print_faces(faces, skipped, report)


def _check_size(recognizer: "Recognizer", folder: Path, decision: FpirOptions) -> None:
    """Refuse more people than can be searched before any of them is looked at."""
    from vultus.pipeline.enrolment import check_size, people_of_folder
    from vultus.pipeline.photos import Skipped

    if decision.threshold is None:
        people = people_of_folder(folder, on_error=Skipped())
        counts = {name: len(photos) for name, photos in people.items() if photos}
        check_size(recognizer, counts, fpir=decision.fpir, cautious=decision.cautious)


def named_faces(
    recognizer: "Recognizer",
    gallery: "Gallery",
    photos: list[str],
    decision: FpirOptions,
    skipped: "Skipped",
    report: AnswerOptions,
) -> list[dict[str, Any]]:
    """Every face of some photos, with who it is, fit for JSON; drawn, where that is asked for."""
    if report.one_person:
        return [_named_person(recognizer, gallery, photos, decision, skipped, log=report.log)]
    from vultus.gallery.decisions import log_decisions
    from vultus.gallery.review.queue import ReviewQueue
    from vultus.image.draw import draw_identified
    from vultus.image.io import list_images

    paths = track(found := list_images(photos), "identifying", total=len(found))
    answered = recognizer.identify_many(
        paths,
        gallery,
        fpir=decision.fpir,
        threshold=decision.threshold,
        cautious=decision.cautious,
        on_error=skipped,
    )
    records: list[dict[str, Any]] = []
    queue = ReviewQueue(gallery)
    for number, (photo, answers) in enumerate(answered):
        names = [photo.name] * len(answers)
        waiting = queue.offer(photo.embeddings, answers, sources=names, crops=photo.crops)
        drawn = {}
        if report.log:
            log_decisions(gallery, answers)
        if report.draw is not None:
            copy = draw_identified(photo.image, photo.faces, answers)
            drawn["drawn"] = write_drawn(copy, report.draw, name=photo.name, number=number)
        records += [
            {"photo": photo.name, "face": i, "box_xyxy": face["box_xyxy"]}
            | answer.to_dict()
            | drawn
            | ({} if waits is None else {"review": waits})
            for i, (face, answer, waits) in enumerate(
                zip(photo.faces.to_dicts(), answers, waiting, strict=True)
            )
        ]
    return records


def _named_person(
    recognizer: "Recognizer",
    gallery: "Gallery",
    photos: list[str],
    decision: FpirOptions,
    skipped: "Skipped",
    *,
    log: bool,
) -> dict[str, Any]:
    """The one answer about a person of several photos; it has no face's number and no box."""
    from vultus.gallery.decisions import log_decisions
    from vultus.image.io import list_images
    from vultus.pipeline.one_person import identify_person

    paths = track(found := list_images(photos), "identifying", total=len(found))
    answer = identify_person(
        recognizer,
        gallery,
        paths,
        fpir=decision.fpir,
        threshold=decision.threshold,
        cautious=decision.cautious,
        on_error=skipped,
    )
    if log:
        log_decisions(gallery, [answer])
    name = f"{answer.n_photos} of {len(found)} photos"
    return {"photo": name, "face": None, "box_xyxy": None} | answer.to_dict()


def print_faces(faces: list[dict[str, Any]], skipped: "Skipped", report: TableOptions) -> int:
    """Print the answers and give the exit code."""
    from vultus.core.thresholds import Threshold

    if report.json:
        notes = [told.to_dict() for told in skipped.notes]
        print_json({"faces": faces, "skipped": skipped.photos, "notes": notes})
    elif report.csv:
        print_csv(_CSV, map(_cells, faces))
    else:
        print_table(("photo", "face", "who", "similarity", "limit", "note"), map(_row, faces))
        for rule in sorted({str(Threshold(**face["threshold"])) for face in faces}):
            say(f"limit: {rule}")
        for rates in sorted({_expected(face) for face in faces if face["fpir"] is not None}):
            say(f"expected: {rates}")
    named = all(face["identity"] for face in faces)
    code = ExitCode.OK if named else ExitCode.NO_MATCH
    return report.end(skipped.photos, done=len(faces), code=code)


def _expected(face: dict[str, Any]) -> str:
    from vultus.core.thresholds import SearchRates

    return str(
        SearchRates(**{name: face[name] for name in _RATES}, fnir_origin=face["fnir_origin"])
    )


def _cells(face: dict[str, Any]) -> tuple[str | float | None, ...]:
    best = face["candidates"][0] if face["candidates"] else {}
    return (
        *(face["photo"], face["face"], *(face["box_xyxy"] or [None] * 4), face["identity"]),
        *(best.get("identity"), best.get("similarity"), face["threshold"]["similarity"]),
        "; ".join(face["refusal"] + face["notes"]),
        *(face[name] for name in _RATES),
    )


def _row(face: dict[str, Any]) -> tuple[str, ...]:
    best = face["candidates"][0] if face["candidates"] else None
    note = "; ".join(face["refusal"] + face["notes"])
    if best is not None and face["identity"] is None and not note:
        note = f"nearest: {best['identity']}"
    return (
        one_line(face["photo"]),
        "-" if face["face"] is None else str(face["face"]),
        face["identity"] or "unknown",
        "-" if best is None else f"{best['similarity']:.4f}",
        f"{face['threshold']['similarity']:.4f}",
        note,
    )
