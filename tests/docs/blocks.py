"""The code blocks of the documentation."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "guide").glob("*.md")),
]

_FENCE = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+?) -->\n\n?)?"
    r"(?P<indent> *)```(?P<kind>\w+)\n(?P<code>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)
_INCLUDE = re.compile(
    r"```\{include\} (?P<page>\S+)\n:start-after: (?P<start>[^\n]+)\n:end-before: (?P<end>[^\n]+)"
)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: Path from the repository's root.
        line: Of the block's first line of code, from 1.
        kind: The word behind the fence.
        code: The lines between the fences, indented as in the page.
        reason: Why the page says that it is not run; empty where it does not.
    """

    page: str
    line: int
    kind: str
    code: str
    reason: str

    @property
    def name(self) -> str:
        """Page and line."""
        return f"{self.page}:{self.line}"


def blocks(page: Path, *kinds: str) -> list[Block]:
    """The blocks of a page in reading order, those of a page that it includes before its own."""
    text = page.read_text(encoding="utf-8")
    included = _INCLUDE.search(text)
    found = []
    if included is not None:
        other = (page.parent / included["page"]).resolve()
        whole = other.read_text(encoding="utf-8")
        first, last = whole.index(included["start"]), whole.index(included["end"])
        lines = range(whole.count("\n", 0, first), whole.count("\n", 0, last))
        found = [block for block in blocks(other, *kinds) if block.line in lines]
    name = page.relative_to(ROOT).as_posix()
    for match in _FENCE.finditer(text):
        if match["kind"] in kinds:
            line = text.count("\n", 0, match.start("code")) + 1
            reason = match["reason"] or ""
            found.append(Block(name, line, match["kind"], match["code"], reason))
    return found


def work_folder(page: Path) -> str:
    """The name of a page's work folder."""
    return page.relative_to(ROOT).with_suffix("").as_posix().replace("/", "-")
