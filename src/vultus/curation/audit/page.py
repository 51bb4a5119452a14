"""The findings of an audit as one HTML file with the pictures inside."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from vultus.core.errors import VultusError
from vultus.core.faces import Image
from vultus.curation.audit.findings import Finding, Kind, count_findings
from vultus.pages.inline import InlineImage, inline_image
from vultus.pages.page import PRIVATE, write_page

_HEIGHT_PX = 96
_SHOWN_IMAGES = 6

KIND_TITLES: dict[Kind, tuple[str, str]] = {
    "unreadable": ("Unreadable", "Files that cannot be decoded, or are no crops of this size."),
    "non_face": (
        "No face",
        "The detector finds none. Score: standard deviations of the embedding's length below the "
        "median.",
    ),
    "duplicate": ("Duplicates", "Equal files."),
    "near_duplicate": (
        "Near duplicates",
        "One picture encoded twice, by embedding and thumbnail. Score: correlation of thumbnails.",
    ),
    "wrong_label": (
        "Wrong labels",
        "More like another identity than like their own. Score: by how much.",
    ),
    "stranger": (
        "Strangers",
        "Unlike their identity and like no other: another person, or a photo that is hard to "
        "judge. Score: similarity to their identity.",
    ),
    "split": (
        "One identity, two people",
        "Images that belong together but not to the others. Score: similarity of the two groups.",
    ),
    "merge": (
        "Two identities, one person",
        "As alike across as within. Score: similarity of the centres.",
    ),
    "overlap_copy": (
        "Pictures of the other set",
        "The same picture is in the data set to evaluate on.",
    ),
    "overlap_person": (
        "People of the other set",
        "The same person is in the data set to evaluate on. Score: similarity of the centres.",
    ),
}


@dataclass(frozen=True, slots=True)
class AuditPage:
    """What the page says beside the findings.

    Attributes:
        title: Of the page.
        facts: Lines on the data set, the model and the rules.
        footer: Versions and date.
        limit: Findings shown of each kind.
    """

    title: str
    facts: Sequence[str]
    footer: str
    limit: int = 200


def write_audit_page(
    path: Path, findings: Sequence[Finding], page: AuditPage, *, picture: Callable[[str], Image]
) -> None:
    """Write the page; an existing file is replaced.

    Args:
        path: The file; its folder must exist.
        findings: All of them; of each kind the first ``page.limit`` are shown.
        page: What it says beside them.
        picture: Gives the image of a name; an image that cannot be read is shown as a frame.

    Raises:
        InputError: If the folder does not exist, or the disk refuses.
    """
    values = {
        "title": page.title,
        "privacy": PRIVATE,
        "facts": page.facts,
        "footer": page.footer,
        "counts": count_findings(findings),
        "kinds": KIND_TITLES,
        "limit": page.limit,
        # Pictures are read when the page comes to them, and forgotten after.
        "shown": lambda kind: islice(_of_kind(findings, kind, picture), page.limit),
    }
    write_page(path, "audit.html.j2", values)


def _of_kind(
    findings: Sequence[Finding], kind: Kind, picture: Callable[[str], Image]
) -> Iterator[dict[str, object]]:
    for number, finding in enumerate(findings, start=1):
        if finding.kind == kind:
            yield _shown(number, finding, picture)


def _shown(number: int, finding: Finding, picture: Callable[[str], Image]) -> dict[str, object]:
    about, against = finding.images, finding.evidence
    if about is None:  # of an identity as a whole the evidence shows both sides
        half = (len(against) + 1) // 2
        about, against = against[:half], against[half:]
    return {
        "number": number,
        "action": finding.action,
        "to": finding.to,
        "score": f"{finding.score:.3f}",
        "about": _small(about[:_SHOWN_IMAGES], picture),
        "more": max(len(about) - _SHOWN_IMAGES, 0),
        "against": _small(against[:_SHOWN_IMAGES], picture),
        "names": ", ".join((finding.images or ())[:_SHOWN_IMAGES]) or f"all of {finding.identity}",
        "reason": finding.reason,
    }


def _small(
    names: Sequence[str], picture: Callable[[str], Image]
) -> list[tuple[str, InlineImage | None]]:
    small: list[tuple[str, InlineImage | None]] = []
    for name in names:
        try:
            image = picture(name)
        except VultusError:
            small.append((name, None))
        else:
            inline = inline_image(image, max_width=4 * _HEIGHT_PX, max_height=_HEIGHT_PX)
            small.append((name, inline))
    return small
