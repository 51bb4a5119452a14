"""The page of an audit: everything inside, names escaped, privacy said."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from vultus.core.errors import InputError
from vultus.curation.audit.findings import KINDS, Finding
from vultus.curation.audit.page import KIND_TITLES, AuditPage, write_audit_page
from vultus.data import open_dataset

MakePeople = Callable[..., Path]

EVIL = "<script>alert(1)</script>"


def test_every_kind_has_a_title() -> None:
    assert set(KIND_TITLES) == set(KINDS)


def test_the_page_holds_pictures_and_reaches_for_nothing(
    make_people: MakePeople, tmp_path: Path
) -> None:
    root, others = make_people(3, 4), make_people(2, 2, name="others", first=10)
    findings = [
        Finding("wrong_label", "move", 0.5, "p00", ("p00/00.png",), EVIL, ("p01/00.png",), EVIL),
        Finding("merge", "merge", 0.7, "p01", None, "p02", ("p01/00.png", "p02/00.png")),
        Finding("split", "split", 0.1, "p02", tuple(f"p02/0{n}.png" for n in range(4)), "x"),
        Finding("overlap_copy", "drop", 1.0, "p00", ("p00/01.png",), None, ("o/p10/00.png",)),
        Finding("unreadable", "drop", 1.0, "p00", ("p00/none.png",)),
        *(Finding("stranger", "keep", 0.0, "p00", ("p00/02.png",)) for _ in range(5)),
    ]
    page = AuditPage(f"Audit of {EVIL}", [f"fact {EVIL}"], footer=EVIL, limit=3)
    write_audit_page(
        tmp_path / "a.html",
        findings,
        page,
        dataset=open_dataset(root),
        others={"o": open_dataset(others)},
    )
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "holds photos of people" in text
    assert EVIL not in text
    assert text.count("<img") == 2 + 2 + 4 + 2 + 3
    assert 'class="gone"' in text
    assert "The first 3 are shown" in text
    assert not re.findall(r'(?:src|href)="(?!data:image/jpeg;base64,|#)', text)
    assert text.count("<article>") == text.count("</article>") == 8


def test_a_page_needs_its_folder_and_says_when_nothing_was_found(
    make_people: MakePeople, tmp_path: Path
) -> None:
    dataset = open_dataset(make_people(2, 2))
    page = AuditPage("Audit", [], footer="")
    with pytest.raises(InputError, match="no folder"):
        write_audit_page(tmp_path / "none" / "a.html", [], page, dataset=dataset, others={})
    write_audit_page(tmp_path / "a.html", [], page, dataset=dataset, others={})
    assert "Nothing was found" in (tmp_path / "a.html").read_text(encoding="utf-8")
