"""Raw photos, a folder a person, made into aligned crops; a stopped run goes on where it was."""

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from filelock import FileLock

from vultus.alignment.crop_templates import crop_template
from vultus.core.choices import CROP_ENDINGS, CROP_SELECTS, Selection
from vultus.core.errors import InputError, VultusError
from vultus.core.progress import tracked
from vultus.curation.align.alignment_file import (
    REPORT,
    SETTINGS,
    AlignmentSettings,
    Report,
    Row,
    read_settings,
    sidecar,
    write_settings,
)
from vultus.curation.align.crop_writer import CropWriter, failure_row
from vultus.curation.align.person_alignment import align_by_person
from vultus.curation.align.photo_source import AlignTools, detected_photos
from vultus.data.base import UNLABELLED, open_dataset
from vultus.data.formats.convert import convert
from vultus.data.formats.folder import UNLABELLED_FOLDER, FolderDataset
from vultus.data.formats.writers import WRITERS
from vultus.pipeline.selection import select_face, usual_refusals

ROWS_AT_ONCE = 32
"""Photos after which the report is brought to disk."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """What came of it.

    Attributes:
        crops: How many crops there are.
        done_before: Photos that an earlier run had done.
        failures: Reason by photo.
        residual_px: Median and 95 % quantile of the landmarks' mean distance to their places in the
            template, in pixels of the crop; None for templates without landmarks.
        report: Where the report is.
    """

    crops: int
    done_before: int
    failures: dict[str, str]
    residual_px: tuple[float, float] | None
    report: Path


def align_photos(
    photos: FolderDataset,
    target: Path,
    tools: AlignTools,
    settings: AlignmentSettings,
    *,
    kind: str = "folder",
    retry: bool = False,
) -> Alignment:
    """Make a crop of one face of every photo.

    For a folder the crops appear in it one by one (``anna/1.jpg`` gives ``anna/1.jpg.png``); a zip
    or RecordIO is made at the end from a folder ``<target>.aligning`` beside it, which is then
    removed. Beside the crops are ``alignment.toml`` (template, detector, rule) and
    ``alignment.jsonl``: a line a photo, with the face, its landmarks' residuals, or why there is
    no crop. Photos that are in the report are not done again.

    Args:
        photos: A folder or zip of photos, with identities or without.
        target: Folder or file to make, or a folder that an earlier run began.
        tools: What to work with.
        settings: Template and rules; must be those of the earlier run.
        kind: A name of `vultus.data.formats.writers.WRITERS`.
        retry: Also try photos again that failed before.

    Raises:
        InputError: If the target is something else, or settings differ from the earlier run's.
        ModelError: If a network fails.
    """
    _check(settings, kind)
    work = target if kind == "folder" else target.with_name(f"{target.name}.aligning")
    if kind != "folder" and target.exists() and not work.exists():
        raise InputError(f"{target} exists; remove it or choose another name")
    _begin(work, settings)
    names = list(photos.files.names)
    known = set(names)
    with FileLock(work / ".lock"):
        report = Report(work / REPORT)
        done = _done(photos, names, report, work, settings, retry=retry)
        todo = [index for index in _by_person(photos) if names[index] not in done]
        align = align_by_person if settings.select == "person" else _align_each
        told = tracked(todo, "aligning", total=len(todo), progress=tools.progress)
        _report_rows(report, align(photos, told, tools, CropWriter(work, settings)))
        final = [row for name, row in Report(report.path).rows.items() if name in known]
        if kind != "folder":
            _pack(work, target, settings, kind)
            final = _with_packed_names(final, work, target, settings=settings, kind=kind)
            Report(sidecar(target, REPORT)).rewrite(final)
        result = _summary(final, len(names) - len(todo), sidecar(target, REPORT))
        write_settings(sidecar(target, SETTINGS), settings, _counts(result, len(final)))
    if kind != "folder":
        shutil.rmtree(work)
    return result


def _check(settings: AlignmentSettings, kind: str) -> None:
    crop_template(settings.template)
    choices = (("select", CROP_SELECTS), ("ending", CROP_ENDINGS))
    for name, known in choices:
        if getattr(settings, name) not in known:
            raise InputError(
                f"{name} must be one of {', '.join(known)}, got {getattr(settings, name)!r}"
            )
    if kind not in WRITERS:
        raise InputError(f"kind must be one of {', '.join(WRITERS)}, got {kind!r}")


def _begin(work: Path, settings: AlignmentSettings) -> None:
    path = work / SETTINGS
    if path.exists():
        begun = read_settings(path)
        if begun != settings:
            raise InputError(
                f"{work} was begun with other settings: {begun} and not {settings}; take the same, "
                "or another folder"
            )
        return
    if work.exists() and (not work.is_dir() or any(work.iterdir())):
        raise InputError(f"{work} must be a new folder, or one that an earlier run began")
    try:
        work.mkdir(0o700, exist_ok=True)
    except OSError as error:
        raise InputError(f"the folder {work} cannot be made: {error.strerror}") from error
    write_settings(path, settings, {})


def _done(
    photos: FolderDataset,
    names: Sequence[str],
    report: Report,
    work: Path,
    settings: AlignmentSettings,
    *,
    retry: bool,
) -> set[str]:
    """Photos that need not be done again; a report line whose crop is gone does not count.

    The choice by person needs all photos of a person at once, so there people are done or not.
    """
    done = set()
    for name, row in report.rows.items():
        crop = row.get("crop")
        if (crop is None and not retry) or (crop is not None and (work / crop).is_file()):
            done.add(name)
    if settings.select == "person":
        open_people = {
            int(label)
            for name, label in zip(names, photos.labels, strict=True)
            if label != UNLABELLED and name not in done
        }
        for name, label in zip(names, photos.labels, strict=True):
            if int(label) in open_people:
                done.discard(name)
    report.forget(set(report.rows) - done)
    return done


def _by_person(photos: FolderDataset) -> list[int]:
    order: list[int] = np.argsort(photos.labels, kind="stable").tolist()
    return order


def _align_each(
    photos: FolderDataset, indices: Iterable[int], tools: AlignTools, writer: CropWriter
) -> Iterator[Row]:
    """Rows of photos whose face is chosen by its place in the photo."""
    failures: list[Row] = []

    def failed(name: str, error: VultusError) -> None:
        failures.append(failure_row(name, str(error)))

    for index, image, faces in detected_photos(photos, indices, tools.analyser, on_error=failed):
        yield from failures
        failures.clear()
        name = photos.files.names[index]
        try:
            height, width = image.shape[:2]
            select: Selection = writer.settings.select  # type: ignore[assignment]
            poor = usual_refusals(image, faces, select)
            face = select_face(faces, (height, width), select=select, refusals=poor)
            yield writer.write(name, image, faces, face)
        except VultusError as error:
            yield failure_row(name, str(error))
    yield from failures


def _report_rows(report: Report, rows: Iterator[Row]) -> None:
    """Let the crops be made, with their lines brought to disk some at a time."""
    try:
        while batch := list(islice(rows, ROWS_AT_ONCE)):
            report.append(batch)
    except OSError as error:
        raise InputError(
            f"{report.path.parent} cannot be written: {error}; then run the same again"
        ) from error


def _crops_of(work: Path, settings: AlignmentSettings) -> FolderDataset:
    return FolderDataset(work, depth=settings.depth if settings.depth else None)


def _pack(work: Path, target: Path, settings: AlignmentSettings, kind: str) -> None:
    if not target.exists():  # it appears whole, so one that is there is complete
        convert(_crops_of(work, settings), target, kind=kind)


def _with_packed_names(
    rows: Iterable[Row], work: Path, target: Path, *, settings: AlignmentSettings, kind: str
) -> list[Row]:
    """The rows, crops called what they are called in the zip, RecordIO or tars."""
    crops = _crops_of(work, settings)
    in_tars = list(open_dataset(target, kind).names) if kind == "webdataset" else []
    groups = np.where(crops.labels == UNLABELLED, len(crops.identities), crops.labels)
    counts: Counter[str] = Counter()
    packed: dict[str, str] = {}
    for number, index in enumerate(np.argsort(groups, kind="stable").tolist()):
        label = int(crops.labels[index])
        owner = UNLABELLED_FOLDER if label == UNLABELLED else crops.identities[label]
        counts[owner] += 1
        place = f"{owner}/{counts[owner]:05}{settings.ending}"
        place = f"record-{number}" if kind == "recordio" else place
        packed[crops.files.names[index]] = in_tars[number] if in_tars else place
    return [
        {**row, "crop": packed[row["crop"]]} if row.get("crop") in packed else row for row in rows
    ]


def _summary(rows: Sequence[Row], done_before: int, report: Path) -> Alignment:
    residuals = [row["residual_px"] for row in rows if row.get("residual_px") is not None]
    quantiles = np.quantile(residuals, [0.5, 0.95]).tolist() if residuals else None
    return Alignment(
        crops=sum("crop" in row for row in rows),
        done_before=done_before,
        failures={row["photo"]: row["error"] for row in rows if "error" in row},
        residual_px=None if quantiles is None else (quantiles[0], quantiles[1]),
        report=report,
    )


def _counts(result: Alignment, photos: int) -> Row:
    counts: Row = {"photos": photos, "crops": result.crops, "failures": len(result.failures)}
    if result.residual_px is not None:
        counts["residual_px_median"] = round(result.residual_px[0], 3)
        counts["residual_px_95"] = round(result.residual_px[1], 3)
    return counts
