"""Enrolling a folder of people: one folder of photos per person, named after them."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from vultus.core.choices import DEFAULT_FPIR, DEFAULT_SELECT, Selection
from vultus.core.errors import CalibrationError, ImageError, InputError
from vultus.core.progress import Progress, tracked
from vultus.gallery.gallery import Gallery
from vultus.gallery.people.names import normalise_identity
from vultus.gallery.security.master_key import MasterKey
from vultus.image.io import ending, is_hidden, left_out_text, list_images
from vultus.matching.operating_point import threshold_for_gallery
from vultus.pipeline.photos import ErrorHandler, Note, tell, tell_note
from vultus.pipeline.recognizer import Recognizer


def enroll_folder(
    recognizer: Recognizer,
    gallery: Gallery,
    folder: str | Path,
    *,
    on_error: ErrorHandler | None = None,
    select: Selection = DEFAULT_SELECT,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Enrol every person of a folder of folders.

    Where so many people cannot be searched with the thresholds there are, a note says so before
    any work (`Skipped.notes`, else the log).

    Args:
        recognizer: Makes the embeddings.
        gallery: Where to.
        folder: Holds one folder per person, named after them.
        on_error: Told which photos are unfit; None raises what is wrong with the first.
        select: Which face of a photo is meant when it shows several.
        progress: Told how many people are done.

    Returns:
        How many photos were enrolled, by person.

    Raises:
        InputError: If there is no such folder, or it has no folder inside.
    """
    people = people_of_folder(folder, on_error=on_error)
    coming = {name: len(photos) for name, photos in people.items() if photos}
    if note := size_note(recognizer, gallery, coming):
        tell_note(on_error, note)
    told = tracked(people.items(), "enrolling", total=len(people), progress=progress)
    return {
        name: recognizer.enroll(gallery, name, photos, select=select, on_error=on_error)
        for name, photos in told
    }


def people_of_folder(
    folder: str | Path, *, on_error: ErrorHandler | None = None
) -> dict[str, list[Path]]:
    """The photos of each person of a folder with one folder per person, named after them.

    What is left out is a note: files that are no photos, and those that are in no person's folder.

    Args:
        folder: Holds one folder per person.
        on_error: Told of each person's folder that holds no photo; None raises at the first.

    Raises:
        InputError: If there is no such folder, or it has no folder inside.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}; it must hold one folder per person")
    inside = sorted(folder.iterdir())
    people = [path for path in inside if path.is_dir()]
    if not people:
        raise InputError(f"{folder} must hold one folder of photos per person, it holds none")
    photos: dict[str, list[Path]] = {}
    names = [path.name for path in inside if not path.is_dir() and not is_hidden(path.name)]
    left_out = Counter(f"{ending(name)} in no person's folder" for name in names)
    for person in people:
        photos[person.name] = []
        try:
            photos[person.name] = list_images([person], left_out=left_out)
        except ImageError as error:
            tell(on_error, str(person), error)
    if text := left_out_text(left_out):
        note = Note("left out", f"{folder}: {text}", {"endings": dict(left_out)}, logged=text)
        tell_note(on_error, note)
    return photos


def check_size(
    recognizer: Recognizer,
    photos_by_person: Mapping[str, int],
    *,
    fpir: float = DEFAULT_FPIR,
    cautious: bool = False,
) -> None:
    """Refuse, before any work, a gallery that cannot be searched at an FPIR.

    Args:
        recognizer: Whose calibration, else card, is asked.
        photos_by_person: Who will be enrolled, with how many photos.
        fpir: The chance in (0, 1) that a stranger is given a name, at most.
        cautious: Inside the worst group of people that was measured.

    Raises:
        CalibrationError: If neither can carry that for so many people; the message says what they
            can carry.
    """
    _check_counts(recognizer, Counter(photos_by_person.values()), fpir=fpir, cautious=cautious)


def _check_counts(
    recognizer: Recognizer,
    people_by_photos: Mapping[int, int],
    *,
    fpir: float = DEFAULT_FPIR,
    cautious: bool = False,
) -> None:
    table, calibration = recognizer.rules(cautious=cautious)
    threshold_for_gallery(
        table, fpir=fpir, people_by_photos=people_by_photos, calibration=calibration
    )


def size_note(recognizer: Recognizer, gallery: Gallery, coming: Mapping[str, int]) -> Note | None:
    """What to know of a gallery that grows beyond what can be searched; None if it does not.

    Args:
        recognizer: Whose calibration, else card, is asked.
        gallery: Who is enrolled already.
        coming: Who will be, with how many photos.
    """
    # Not by the list of all people, which takes long among many.
    roster = gallery.opened.roster
    counts = Counter(roster.summary().people_by_faces)
    for name, n_photos in coming.items():
        with suppress(InputError):  # what is no name is refused where it is enrolled
            known = roster.find(normalise_identity(name))
            before = 0 if known is None else known.record.n_faces
            counts[before] -= bool(before)
            counts[before + n_photos] += 1
    try:
        _check_counts(recognizer, {n: people for n, people in counts.items() if people})
    except CalibrationError as error:
        size = counts.total()
        text = f"the gallery reaches {size:,} people, and identify will refuse: {error}"
        return Note("gallery size", text, {"people": size, "fpir": DEFAULT_FPIR})
    return None


@contextmanager
def folder_gallery(
    recognizer: Recognizer,
    folder: Path,
    *,
    on_error: ErrorHandler | None = None,
    select: Selection = DEFAULT_SELECT,
    progress: Progress | None = None,
) -> Iterator[Gallery]:
    """A gallery of the people of a folder, which is gone when the ``with`` block ends.

    It is sealed with a key that is kept nowhere: of a process that was killed stays a file that
    nobody can open.

    Whether so many can be searched is for `check_size` to say: the FPIR is not known here.

    Args and raises: as `enroll_folder`.
    """
    people = people_of_folder(folder, on_error=on_error)
    told = tracked(people.items(), "enrolling", total=len(people), progress=progress)
    with (
        tempfile.TemporaryDirectory() as place,
        # A key that only this process has: if it is killed, what stays behind opens nowhere.
        recognizer.open_gallery(Path(place) / "gallery.db", key=MasterKey.new()) as gallery,
    ):
        for name, photos in told:
            # Nobody is left out for looking like somebody else: a note says so, and both are found.
            recognizer.enroll(
                gallery, name, photos, select=select, on_error=on_error, force="doubles"
            )
        yield gallery
