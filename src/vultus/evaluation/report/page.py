"""The report as one HTML file that needs nothing else."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from vultus.core.errors import InputError
from vultus.evaluation.plot_style import SeriesStyle, series_styles
from vultus.evaluation.report.cells import Cell, Table
from vultus.evaluation.report.comparison import Comparison, Entry, ProtocolGroup
from vultus.evaluation.report.contact_sheet import PhotoSource, contact_sheet
from vultus.evaluation.report.figures import ReportFigure, protocol_figures
from vultus.evaluation.report.tables import (
    overview_table,
    protocol_tables,
    provenance_tables,
)

_STYLE = """
:root { color-scheme: light dark; --line: #8885; --soft: #8881; --page: Canvas; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 76rem;
  padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; }
h2 { font-size: 1.3rem; margin: 3rem 0 .5rem; padding-top: .6rem;
  border-top: 2px solid var(--line); }
h3 { font-size: 1rem; margin: 1.8rem 0 .4rem; }
p { max-width: 48rem; margin: .4rem 0; }
.small, td small, th small, figcaption, .note { font-size: .82rem; opacity: .8; }
td small, tbody th small { display: block; font-weight: normal; white-space: pre; }
.code small { white-space: normal; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem 1.2rem .35rem 0;
  text-align: left; vertical-align: top; white-space: nowrap; }
thead th { font-size: .82rem; }
tbody th { font-weight: 600; overflow-wrap: anywhere; white-space: normal; min-width: 9.5rem;
  max-width: 14rem; padding-right: .8rem; position: sticky; left: 0; background: var(--page); }
.code td { white-space: normal; overflow-wrap: anywhere; min-width: 8rem; font-size: .82rem; }
.swatch { width: 2.2rem; height: .7rem; margin-right: .45rem; vertical-align: baseline; }
tbody .swatch { display: block; margin-top: .3rem; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; margin: 1rem 0 .6rem;
  padding: 0; list-style: none; overflow-wrap: anywhere; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 25rem), 1fr));
  gap: 1rem; }
figure { margin: 0; background: var(--soft); border: 1px solid var(--line); border-radius: 6px;
  padding: .6rem; break-inside: avoid; }
figure h4 { margin: 0 0 .3rem; font-size: .9rem; overflow-wrap: anywhere; }
figure svg { display: block; width: 100%; height: auto; }
.pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr));
  gap: .6rem; }
.two { display: grid; grid-template-columns: 1fr 1fr; gap: .3rem; align-items: center; }
.two img { width: 100%; height: auto; border-radius: 3px; }
.gone { text-align: center; }
figcaption { overflow-wrap: anywhere; margin-top: .3rem; }
.warning { border-left: 4px solid #D55E00; background: var(--soft); padding: .5rem .8rem; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: .6rem; }
@media print { :root { color-scheme: light; } body { max-width: none; font-size: 11px; }
  h2 { break-before: page; } .figures { grid-template-columns: 1fr 1fr; }
  .scroll { overflow: visible; } th, td { padding-right: .6rem; } }
"""

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
    path: Path,
    comparison: Comparison,
    *,
    speed: bool = False,
    worst: int = 0,
    photos: Mapping[str, PhotoSource] | None = None,
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
        InputError: If the folder does not exist.
        MissingDependencyError: If matplotlib is not installed.
    """
    if not path.parent.is_dir():
        raise InputError(f"the folder of {path} must exist; make {path.parent} first")
    sources = {} if photos is None else photos
    told = comparison.to_dict(worst=worst)
    styles = series_styles(comparison.labels)
    parts = [
        f"<h1>{escape(comparison.title)}</h1>",
        f'<p class="small">{escape(_made(told))}</p>',
    ]
    if worst:
        pictures = " and shows them" if sources else ""
        parts.append(_warning(_PRIVATE.format(pictures=pictures)))
    parts += [_table(overview_table(told["protocols"]), styles), f"<p>{escape(_READING)}</p>"]
    for group, figures in zip(comparison.groups, told["protocols"], strict=True):
        parts += _protocol(group, figures["models"], styles=styles, speed=speed)
        if worst:
            parts += _worst(group, worst, sources.get(group.protocol))
        parts += [_table(table, styles) for table in provenance_tables(figures["models"])]
    parts.append(f'<footer class="small">{escape(_made(told))}</footer>')
    path.write_text(_document(comparison.title, "\n".join(parts)), encoding="utf-8")


def _made(told: Mapping[str, Any]) -> str:
    return f"Made by Vultus {told['vultus']} on {told['created']}"


def _document(title: str, body: str) -> str:
    return (
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _protocol(
    group: ProtocolGroup,
    models: Sequence[Mapping[str, Any]],
    *,
    styles: Mapping[str, SeriesStyle],
    speed: bool,
) -> list[str]:
    parts = [f"<h2>{escape(group.protocol)}</h2>", *map(_warning, group.warnings)]
    parts += [_table(table, styles) for table in protocol_tables(models, speed=speed)]
    parts.append(_legend(group.entries, styles))
    figures = "".join(_figure(figure) for figure in protocol_figures(group, styles))
    parts.append(f'<div class="figures">{figures}</div>')
    return parts


def _worst(group: ProtocolGroup, count: int, photos: PhotoSource | None) -> list[str]:
    parts = []
    for entry in group.entries:
        record = entry.record
        kinds = (
            ("Genuine pairs of lowest similarity", record.worst_genuine),
            ("Impostor pairs of highest similarity", record.worst_impostor),
        )
        for title, pairs in kinds:
            if pairs:
                parts.append(f"<h3>{title}: {escape(entry.label)}</h3>")
                parts.append(contact_sheet(pairs[:count], photos=photos))
    return parts


def _warning(text: str) -> str:
    return f'<p class="warning">{escape(text)}</p>'


def _table(table: Table, styles: Mapping[str, SeriesStyle]) -> str:
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in table.head)
    body = "".join(_row(row, styles) for row in table.rows)
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    kind = ' class="code"' if table.code else ""
    return (
        f'<h3>{escape(table.title)}</h3><div class="scroll"><table{kind}><thead><tr>{head}</tr>'
        f"</thead><tbody>{body}</tbody></table></div>{note}"
    )


def _row(row: Sequence[Cell], styles: Mapping[str, SeriesStyle]) -> str:
    name, *cells = row
    style = styles.get(name.text)
    swatch = "" if style is None else _swatch(style)
    first = f'<th scope="row">{swatch}{_cell(name)}</th>'
    return f"<tr>{first}{''.join(f'<td>{_cell(cell)}</td>' for cell in cells)}</tr>"


def _cell(cell: Cell) -> str:
    detail = f"<small>{escape(cell.detail)}</small>" if cell.detail else ""
    return escape(cell.text) + detail


def _legend(entries: Sequence[Entry], styles: Mapping[str, SeriesStyle]) -> str:
    items = (f"<li>{_swatch(styles[entry.label])}{escape(entry.label)}</li>" for entry in entries)
    return f'<h3>Curves</h3><ul class="legend">{"".join(items)}</ul>'


def _swatch(style: SeriesStyle) -> str:
    dashes = ",".join(f"{2.2 * length:g}" for length in style.dashes)
    return (
        '<svg class="swatch" viewBox="0 0 36 10" aria-hidden="true"><line x1="0" x2="36" y1="5" '
        f'y2="5" stroke="{style.colour}" stroke-width="2.5" stroke-dasharray="{dashes}"/></svg>'
    )


def _figure(figure: ReportFigure) -> str:
    caption = f"<figcaption>{escape(figure.caption)}</figcaption>" if figure.caption else ""
    return f"<figure><h4>{escape(figure.title)}</h4>{figure.svg}{caption}</figure>"
