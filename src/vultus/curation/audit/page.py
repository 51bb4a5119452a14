"""The findings of an audit as one HTML file with the pictures inside."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from vultus.core.errors import InputError, VultusError
from vultus.core.faces import Image
from vultus.curation.audit.findings import KINDS, Finding, Kind, count_findings
from vultus.image.inline import inline_image

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

_STYLE = """
:root { color-scheme: light dark; --line: #8885; --soft: #8881; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 84rem;
  padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .3rem; padding-top: .6rem;
  border-top: 2px solid var(--line); }
p { max-width: 52rem; margin: .4rem 0; }
.small { font-size: .82rem; opacity: .8; }
.warning { border-left: 4px solid #D55E00; background: var(--soft); padding: .5rem .8rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .8rem 0; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem 1.2rem .25rem 0; text-align: left; }
td.number { text-align: right; }
.findings { display: grid; gap: .6rem; margin-top: .8rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 34rem), 1fr)); }
article { background: var(--soft); border: 1px solid var(--line); border-radius: 6px;
  padding: .5rem .7rem; break-inside: avoid; overflow-wrap: anywhere; }
article header { display: flex; gap: .8rem; align-items: baseline; flex-wrap: wrap; }
.action { font-weight: 600; }
.pictures { display: flex; flex-wrap: wrap; gap: .3rem; margin: .4rem 0; align-items: flex-end; }
.pictures img { display: block; border-radius: 3px; }
.against { border-left: 3px solid var(--line); margin-left: .3rem; padding-left: .6rem;
  display: flex; flex-wrap: wrap; gap: .3rem; }
.gone { width: 60px; height: 60px; display: grid; place-items: center;
  border: 1px dashed var(--line); }
"""

_PRIVATE = (
    "This page holds photos of people and says who they are. Keep it as you keep the photos "
    "themselves, pass it on only to those who may see them, and delete it with them."
)


@dataclass(frozen=True, slots=True)
class AuditPage:
    """What the page says beside the findings.

    Attributes:
        title: Of the page.
        facts: Lines on the data set, the model and the rules.
        limit: Findings shown of each kind.
    """

    title: str
    facts: Sequence[str]
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
        InputError: If the folder does not exist.
    """
    if not path.parent.is_dir():
        raise InputError(f"the folder of {path} must exist; make {path.parent} first")
    pictures = _Pictures(picture)
    counts = count_findings(findings)
    with path.open("w", encoding="utf-8") as stream:
        stream.write(_head(page, counts))
        for kind in KINDS:
            chosen = [
                (number, finding)
                for number, finding in enumerate(findings, start=1)
                if finding.kind == kind
            ]
            if chosen:
                stream.write(_section_head(kind, len(chosen), page.limit))
                for number, finding in chosen[: page.limit]:
                    stream.write(_article(number, finding, pictures))
                stream.write("</div></section>\n")
        stream.write("</body></html>\n")


class _Pictures:
    """Small JPEGs as addresses that hold the data."""

    def __init__(self, picture: Callable[[str], Image]) -> None:
        self._picture = picture

    def tag(self, name: str) -> str:
        try:
            image = self._picture(name)
        except VultusError:
            return f'<span class="gone" title="{escape(name)}">&ndash;</span>'
        small = inline_image(image, max_width=4 * _HEIGHT_PX, max_height=_HEIGHT_PX)
        return (
            f'<img width="{small.width}" height="{small.height}" alt="{escape(name)}" '
            f'title="{escape(name)}" src="{small.address}">'
        )


def _head(page: AuditPage, counts: dict[Kind, int]) -> str:
    rows = "".join(
        f'<tr><td><a href="#{kind}">{escape(KIND_TITLES[kind][0])}</a></td>'
        f'<td class="number">{counts[kind]:,}</td></tr>'
        for kind in KINDS
        if kind in counts
    )
    table = f"<table>{rows}</table>" if rows else "<p>Nothing was found.</p>"
    facts = "".join(f'<p class="small">{escape(fact)}</p>' for fact in page.facts)
    title = escape(page.title)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{_STYLE}</style></head>\n<body><h1>{title}</h1>\n"
        f'<p class="warning">{_PRIVATE}</p>\n{facts}\n{table}\n'
        "<p>Left of the line: what the finding is about. Right of it: what to compare with. "
        "Numbers are lines of the manifest, less one.</p>\n"
    )


def _section_head(kind: Kind, count: int, limit: int) -> str:
    title, rule = KIND_TITLES[kind]
    shown = f" The first {limit} are shown." if count > limit else ""
    return (
        f'<section id="{kind}"><h2>{escape(title)} ({count:,})</h2>'
        f'<p>{escape(rule + shown)}</p><div class="findings">\n'
    )


def _article(number: int, finding: Finding, pictures: _Pictures) -> str:
    about, against = list(finding.images or ()), list(finding.evidence)
    if finding.images is None:  # of an identity as a whole the evidence shows both sides
        half = (len(against) + 1) // 2
        about, against = against[:half], against[half:]
    more = len(about) - _SHOWN_IMAGES
    tags = "".join(pictures.tag(name) for name in about[:_SHOWN_IMAGES])
    tags += f'<span class="small">and {more} more</span>' if more > 0 else ""
    compared = "".join(pictures.tag(name) for name in against[:_SHOWN_IMAGES])
    line = f'<div class="against">{compared}</div>' if compared else ""
    action = finding.action + (f" &rarr; {escape(finding.to)}" if finding.to else "")
    names = ", ".join((finding.images or ())[:_SHOWN_IMAGES]) or f"all of {finding.identity}"
    return (
        f'<article><header><span class="small">{number}</span>'
        f'<span class="action">{action}</span><span>{finding.score:.3f}</span></header>'
        f'<div class="pictures">{tags}{line}</div>'
        f"<div>{escape(names)}</div>"
        f'<div class="small">{escape(finding.reason)}</div></article>\n'
    )
