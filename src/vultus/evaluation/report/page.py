"""The report as one HTML file that needs nothing else."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from vultus.evaluation.plot_style import series_styles
from vultus.evaluation.report.comparison import Comparison, ProtocolGroup
from vultus.evaluation.report.drawings import protocol_figures
from vultus.evaluation.report.tables import overview_table, protocol_tables, provenance_tables
from vultus.evaluation.report.worst_pairs import PairPhotos, ShownPair, shown_pairs
from vultus.pages.page import write_page

_READING = (
    "Two faces match when their cosine similarity is at least the threshold. FMR: share of "
    "impostor comparisons that match. TAR: share of genuine comparisons that match, 1 - FNMR. A "
    "photo without a face fails each of its genuine comparisons. A rate below 3 / n is not given: "
    "n comparisons without a single error leave it open. Comparisons that share a person are not "
    "independent; where every photo meets every other, intervals come from the bootstrap over "
    "people, elsewhere they take comparisons as independent and are too narrow."
)
_PRIVATE = "This page names photos of people{pictures}. Pass it on only to those who may see them."


def write_report(
    path: str | Path,
    comparison: Comparison,
    *,
    speed: bool = False,
    worst: int = 0,
    photos: Mapping[str, PairPhotos] | None = None,
) -> None:
    """Write the page; an existing file is replaced.

    Args:
        path: The file; its folder must exist.
        comparison: What to tell.
        speed: Also how fast the models ran, and how large they are.
        worst: How many of the worst genuine and impostor pairs to show of each model; 0 for none,
            so that the page holds nothing about single people.
        photos: Protocol -> where the photos of those pairs are; None shows their names only.

    Raises:
        InputError: If the folder does not exist, or the disk refuses.
        MissingDependencyError: If matplotlib is not installed.
    """
    path = Path(path)
    sources = {} if photos is None else photos
    styles = series_styles(comparison.labels)
    values = {
        "title": comparison.title,
        "footer": f"Made by Vultus {comparison.version} on {comparison.created}",
        "privacy": _PRIVATE.format(pictures=" and shows them" if sources else "") if worst else "",
        "overview": overview_table(comparison.groups),
        "reading": _READING,
        "protocols": [
            {
                "name": group.protocol,
                "warnings": group.warnings,
                "tables": protocol_tables(group.entries, speed=speed),
                "labels": [entry.label for entry in group.entries],
                "figures": protocol_figures(group, styles),
                "worst": _worst(group, worst, sources.get(group.protocol)),
                "provenance": provenance_tables(group.entries),
            }
            for group in comparison.groups
        ],
        "styles": styles,
    }
    write_page(path, "report.html.j2", values)


def _worst(
    group: ProtocolGroup, count: int, photos: PairPhotos | None
) -> Iterator[tuple[str, list[ShownPair]]]:
    for entry in group.entries:
        kinds = (
            ("Genuine pairs of lowest similarity", entry.record.worst_genuine),
            ("Impostor pairs of highest similarity", entry.record.worst_impostor),
        )
        for title, pairs in kinds:
            if pairs[:count]:
                yield f"{title}: {entry.label}", shown_pairs(pairs[:count], photos)
