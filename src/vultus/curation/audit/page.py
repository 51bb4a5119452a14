"""The findings of an audit as one HTML file with the pictures inside."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from vultus.core.errors import ImageError
from vultus.curation.audit.findings import Finding, Kind, count_findings
from vultus.curation.image_names import image_names
from vultus.data.base import FaceDataset
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
    path: Path,
    findings: Sequence[Finding],
    page: AuditPage,
    *,
    dataset: FaceDataset,
    others: Mapping[str, FaceDataset],
) -> None:
    """Write the page; an existing file is replaced.

    Args:
        path: The file; its folder must exist.
        findings: All of them; of each kind the first ``page.limit`` are shown.
        page: What it says beside them.
        dataset: The data set that they are about; an image that cannot be read is shown as a frame.
        others: Data sets that evidence comes from, by what its names begin with.

    Raises:
        InputError: If the folder does not exist, or the disk refuses.
    """
    pictures = _Pictures(findings, dataset, others)
    values = {
        "title": page.title,
        "privacy": PRIVATE,
        "facts": page.facts,
        "footer": page.footer,
        "counts": count_findings(findings),
        "kinds": KIND_TITLES,
        "limit": page.limit,
        # Pictures are read when the page comes to them, and forgotten after.
        "shown": lambda kind: islice(_of_kind(findings, kind, pictures), page.limit),
    }
    write_page(path, "audit.html.j2", values)


def _of_kind(
    findings: Sequence[Finding], kind: Kind, pictures: "_Pictures"
) -> Iterator[dict[str, object]]:
    for number, finding in enumerate(findings, start=1):
        if finding.kind == kind:
            yield _shown(number, finding, pictures)


def _shown(number: int, finding: Finding, pictures: "_Pictures") -> dict[str, object]:
    about, against = finding.images, finding.evidence
    if about is None:  # of an identity as a whole the evidence shows both sides
        half = (len(against) + 1) // 2
        about, against = against[:half], against[half:]
    return {
        "number": number,
        "action": finding.action,
        "to": finding.to,
        "score": f"{finding.score:.3f}",
        "about": [(name, pictures.small(name)) for name in about[:_SHOWN_IMAGES]],
        "more": max(len(about) - _SHOWN_IMAGES, 0),
        "against": [(name, pictures.small(name)) for name in against[:_SHOWN_IMAGES]],
        "names": ", ".join((finding.images or ())[:_SHOWN_IMAGES]) or f"all of {finding.identity}",
        "reason": finding.reason,
    }


class _Pictures:
    """Looks up the images that findings and their evidence name."""

    def __init__(
        self,
        findings: Iterable[Finding],
        dataset: FaceDataset,
        others: Mapping[str, FaceDataset],
    ) -> None:
        wanted = {name for f in findings for name in (*(f.images or ()), *f.evidence)}
        self._places: dict[str, tuple[FaceDataset, int]] = {}
        named = [(f"{name}/", other) for name, other in others.items()]
        for prefix, data in (*named, ("", dataset)):
            for index, name in enumerate(image_names(data)):
                if prefix + name in wanted:
                    self._places[prefix + name] = (data, index)

    def small(self, name: str) -> InlineImage | None:
        """The image; None if no data set has it, or it cannot be read."""
        if name not in self._places:
            return None
        dataset, index = self._places[name]
        try:
            image = dataset.image(index)
        except ImageError:
            return None
        return inline_image(image, max_width=4 * _HEIGHT_PX, max_height=_HEIGHT_PX)
