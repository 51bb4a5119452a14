import dataclasses
import re
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vultus.core.errors import InputError
from vultus.evaluation.plot_style import series_styles
from vultus.evaluation.report.comparison import compare
from vultus.evaluation.report.page import write_report
from vultus.evaluation.report.record import EvaluationRecord, RunCost, ScoredPair
from vultus.evaluation.report.worst_pairs import PairPhotos

MISSING = "\N{EN DASH}"
MakeRecord = Callable[..., EvaluationRecord]

EVIL = """"><script>alert('x')</script><img src=x onerror=y> $a_b$ _&"""


class Reader(HTMLParser):
    """The tables by their titles, the tags that are open at the end, and all attributes."""

    VOID = ("meta", "img", "br")

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.title = ""
        self.cell: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "h3":
            self.title = ""
        if tag == "table":
            self.tables[self.title] = []
        if tag == "tr":
            self.tables[self.title].append([])
        if tag in ("th", "td"):
            self.cell = []

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag in ("th", "td"):
            assert self.cell is not None
            self.tables[self.title][-1].append("".join(self.cell))
            self.cell = None

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["h3"]:
            self.title += data
        if self.cell is not None and self.open[-1] != "small":
            self.cell.append(data)


def read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    assert reader.open == []
    return reader


def changed(record: EvaluationRecord, **figures: Any) -> EvaluationRecord:
    return dataclasses.replace(record, result=dataclasses.replace(record.result, **figures))


def test_tables_say_what_the_json_says(make_record: MakeRecord, tmp_path: Path) -> None:
    records = [(None, make_record(name, noise=noise)) for name, noise in (("a", 0.7), ("b", 1.2))]
    comparison = compare(records, title="T", created="now", version="0")
    write_report(tmp_path / "r.html", comparison, speed=True)
    tables = read(tmp_path / "r.html").tables
    models = comparison.to_dict()["protocols"][0]["models"]
    for place, model in enumerate(models, 1):
        result = model["result"]
        head, row = tables["Summary"][0], tables["Summary"][place]
        cells = dict(zip(head, row, strict=True))
        assert cells["model"] == model["label"]
        accuracy, error = (float(text.rstrip("%")) for text in cells["accuracy"].split(" ± "))
        assert accuracy == pytest.approx(100 * result["accuracy"], abs=0.005)
        assert error == pytest.approx(100 * result["folds"]["standard_error"], abs=0.005)
        assert float(cells["AUC"]) == pytest.approx(result["area_under_curve"], abs=5e-6)
        assert cells["genuine"] == str(result["n_genuine"])
        assert cells["impostor"] == f"{result['n_impostor']:,}"
        assert cells["without a face"] == "1"
        assert cells["photos/s"] == "30.0"
        assert cells["model size"] == "2.0 MB"
        head = tables["TAR at FMR, the protocol's comparisons"][0]
        row = tables["TAR at FMR, the protocol's comparisons"][place]
        told = {title: text for title, text in zip(head, row, strict=True) if "FMR" in title}
        wanted = {
            f"FMR ≤ 1e{np.log10(point['target_fmr']):.0f}": f"{100 * point['tar']:.2f}%"
            for point in result["operating_points"]
        }
        assert told == wanted
        identification = dict(
            zip(*(tables["Identification (1:N)"][k] for k in (0, place)), strict=True)
        )
        assert identification["rank-1"] == (
            f"{100 * result['identification']['rank']['1']['rate']:.2f}%"
        )
        assert (
            f"{100 * model['reject']['feature norm']['area']:.3f}%"
            in (tables["Error versus reject"][place])
        )
        assert result["model"]["weights_sha256"] in tables["What was measured"][place]


def test_hostile_names_are_only_text(make_record: MakeRecord, tmp_path: Path) -> None:
    record = make_record()
    evil = changed(
        record,
        model=dataclasses.replace(record.result.model, model=EVIL, preprocessing=EVIL),
        protocol=EVIL,
        detector=EVIL,
        select=EVIL,
        runtime=EVIL,
        files_sha256={EVIL: EVIL},
    )
    evil = dataclasses.replace(
        evil,
        reject={EVIL: record.reject["feature norm"]},
        reject_areas={EVIL: record.reject_areas["feature norm"]},
        software={EVIL: EVIL},
        worst_genuine=(ScoredPair(EVIL, EVIL, 0.1),),
        created=EVIL,
    )
    comparison = compare([(None, evil), ("_hidden", evil)], title=EVIL, created=EVIL, version="0")
    write_report(tmp_path / "r.html", comparison, worst=5)
    reader = read(tmp_path / "r.html")
    assert "script" not in reader.tags
    assert "img" not in reader.tags
    assert not any(name.startswith("on") for name, _ in reader.attributes)
    assert reader.tables["Overview"][1][0] == EVIL


def test_the_page_needs_nothing_else(
    make_record: MakeRecord, photo_root: Path, tmp_path: Path
) -> None:
    comparison = compare([(None, make_record())], title="T", created="now", version="0")
    photos = {"folder": PairPhotos(photo_root)}
    write_report(tmp_path / "r.html", comparison, worst=2, photos=photos)
    reader = read(tmp_path / "r.html")
    loading = [v for k, v in reader.attributes if k in ("src", "srcset", "data", "action")]
    assert len(loading) == 8
    assert all(value is not None and value.startswith("data:image/jpeg") for value in loading)
    links = [v for k, v in reader.attributes if k in ("href", "xlink:href")]
    assert all(value is not None and value.startswith("#") for value in links)
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert not re.search(r"url\((?!#)|@import|<link|<script|<iframe", html)
    assert reader.tags >= {"svg", "table", "img"}


def test_references_inside_drawings_resolve(make_record: MakeRecord, tmp_path: Path) -> None:
    write_report(
        tmp_path / "r.html", compare([(None, make_record())], title="T", created="now", version="0")
    )
    reader = read(tmp_path / "r.html")
    ids = {value for name, value in reader.attributes if name == "id"}
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    wanted = set(re.findall(r"url\(#([^)]+)\)", html)) | set(re.findall(r'href="#([^"]+)"', html))
    assert wanted
    assert wanted <= ids


def test_single_people_appear_only_when_asked(
    make_record: MakeRecord, photo_root: Path, tmp_path: Path
) -> None:
    comparison = compare([(None, make_record())], title="T", created="now", version="0")
    write_report(tmp_path / "r.html", comparison)
    page = (tmp_path / "r.html").read_text()
    assert "p00" not in page
    assert "Pass it on" not in page
    write_report(tmp_path / "r.html", comparison, worst=3)
    page = (tmp_path / "r.html").read_text()
    assert "names photos of people. Pass it on" in page
    assert page.count('class="pair"') == 6
    assert "<img" not in page
    photos = {"folder": PairPhotos(photo_root)}
    write_report(tmp_path / "r.html", comparison, worst=3, photos=photos)
    page = (tmp_path / "r.html").read_text()
    assert "names photos of people and shows them" in page
    assert page.count("<img") == 12


def test_many_models_and_protocols_and_gaps(
    make_record: MakeRecord, pair_record: MakeRecord, tmp_path: Path
) -> None:
    base = make_record()
    many = [(f"m{k}", base) for k in range(13)]
    records = [*many, ("m0", pair_record()), ("only pairs", pair_record(count=2))]
    comparison = compare(records, title="T", created="now", version="0")
    write_report(tmp_path / "r.html", comparison)
    rows = read(tmp_path / "r.html").tables["Overview"]
    assert rows[0] == ["model", "folder", "pairs"]
    assert len(rows) == 15
    assert rows[2][2] == rows[14][1] == MISSING
    styles = list(series_styles(comparison.labels).values())
    assert len({(style.colour, style.dashes) for style in styles[:12]}) == 12
    assert all(a.colour != b.colour for a, b in pairwise(styles))


def test_records_that_hold_next_to_nothing(make_record: MakeRecord, tmp_path: Path) -> None:
    record = make_record()
    bare = changed(
        record, accuracy=None, folds=None, far=None, tar_at_far=None, operating_points=(),
        identification=None,
    )  # fmt: skip
    bare = dataclasses.replace(
        bare, histogram=None, cmc=None, reject={}, reject_areas={}, cost=RunCost(),
        curves={"comparisons": record.curves["comparisons"]},
        worst_genuine=(), worst_impostor=(),
    )  # fmt: skip
    write_report(
        tmp_path / "r.html",
        compare([(None, bare)], title="", created="", version="0"),
        speed=True,
        worst=3,
    )
    tables = read(tmp_path / "r.html").tables
    assert tables["Overview"][1] == ["alpha", MISSING]
    assert tables["Summary"][1][-2:] == [MISSING, MISSING]
    assert "Identification (1:N)" not in tables


def test_the_folder_must_exist(make_record: MakeRecord, tmp_path: Path) -> None:
    comparison = compare([(None, make_record())], title="", created="", version="0")
    with pytest.raises(InputError, match="no folder"):
        write_report(tmp_path / "none" / "r.html", comparison)
