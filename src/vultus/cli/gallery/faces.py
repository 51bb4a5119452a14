"""`vultus gallery verify | search`: photos against people, without a name being given."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from vultus.cli.gallery.options import FileArgument, KeyOptions
from vultus.cli.options import FmrOptions, PhotosArgument, RecognizerOptions, SelectOption
from vultus.cli.output import (
    ExitCode,
    JsonOption,
    ReportOptions,
    note,
    one_line,
    print_json,
    print_table,
    say,
    track,
)
from vultus.core.choices import DEFAULT_SELECT


@dataclass(frozen=True, slots=True, kw_only=True)
class RankOptions(ReportOptions):
    """What is listed of each face."""

    rank: Annotated[int, typer.Option(help="How many people are listed per face.")] = 10
    group: Annotated[
        list[str] | None,
        typer.Option(help="Only people of this group; again for more.", show_default=False),
    ] = None


def verify(
    file: FileArgument,
    name: Annotated[str, typer.Argument(help="Who it is said to be.")],
    photo: Annotated[str, typer.Argument(help="The photo.")],
    decision: FmrOptions,
    models: RecognizerOptions,
    opener: KeyOptions,
    select: SelectOption = DEFAULT_SELECT,
    json: JsonOption = False,
) -> int:
    """Decide whether a photo shows one enrolled person; exit code 0 yes, 1 no, 2 neither."""
    from vultus.pipeline.person_check import verify_person

    recognizer = models.open()
    with opener.open(file) as gallery:
        answer = verify_person(
            recognizer,
            gallery,
            name,
            photo,
            fmr=decision.fmr,
            threshold=decision.threshold,
            select=select,
        )
    if json:
        print_json({"photo": photo, "name": name, **answer.to_dict()})
    else:
        said = "it is" if answer.same_person else "it is not"
        say(f"{said} {one_line(name)}", style="bold green" if answer.same_person else "bold")
        say(f"similarity {answer.similarity:.4f}, threshold {answer.threshold}")
        for told in answer.notes:
            note(f"note: {told}")
    return ExitCode.OK if answer.same_person else ExitCode.NO_MATCH


def search(
    file: FileArgument,
    photos: PhotosArgument,
    models: RecognizerOptions,
    opener: KeyOptions,
    listed: RankOptions,
) -> int:
    """List who of a gallery is most like each face, best first; nothing is decided."""
    from vultus.image.io import list_images
    from vultus.pipeline.photos import Skipped

    recognizer, skipped = models.open(), Skipped()
    faces: list[dict[str, Any]] = []
    with opener.open(file) as gallery:
        known = gallery.among(listed.group) if listed.group else gallery
        paths = track(found := list_images(photos), "searching", total=len(found))
        for photo in recognizer.analyse(paths, on_error=skipped):
            ranked = known.search(photo.embeddings, rank=listed.rank)
            faces += [
                {
                    "photo": photo.name,
                    "face": place,
                    "box_xyxy": box["box_xyxy"],
                    "refusal": list(photo.refusals[place]),
                    "candidates": [candidate.to_dict() for candidate in candidates],
                }
                for place, (box, candidates) in enumerate(
                    zip(photo.faces.to_dicts(), ranked, strict=True)
                )
            ]
    if listed.json:
        print_json({"faces": faces, "skipped": skipped.photos})
    else:
        rows = [
            (
                *(one_line(f["photo"]), str(f["face"]), str(place), one_line(c["identity"])),
                *(f"{c['similarity']:.4f}", "; ".join(f["refusal"])),
            )
            for f in faces
            for place, c in enumerate(f["candidates"], 1)
        ]
        print_table(("photo", "face", "rank", "who", "similarity", "note"), rows)
    return listed.end(skipped.photos, done=len(faces))
