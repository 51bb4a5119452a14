import json
import re
from pathlib import Path
from typing import get_args
from zipfile import ZipFile

import httpx
import pytest
from hatchling.builders.wheel import WheelBuilder
from tests.server.conftest import Client

from vultus.gallery.events.event import EVENT_TYPES
from vultus.liveness.session.movements import MOVEMENTS
from vultus.liveness.session.session import ReasonCode
from vultus.server.access import Role
from vultus.server.codes import CODES
from vultus.server.routes.page import page_files

PAGE = Path(__file__).parents[3] / "src" / "vultus" / "server" / "page"
SCRIPTS = sorted(PAGE.glob("**/*.js"))
LANGUAGES = ("en", "zh")
SAME_IN_CHINESE = {"Vultus", "Webhook", "zip"}
"""What is called so in both languages; abbreviations and names of formats are, too."""


def _words(language: str) -> dict[str, str | dict[str, str]]:
    found: dict[str, str | dict[str, str]] = json.loads(
        (PAGE / "words" / f"{language}.json").read_text(encoding="utf-8")
    )
    return found


@pytest.fixture
def stranger(client: Client) -> httpx.Client:
    return client(None)


def test_the_page_is_there_for_everybody(stranger: httpx.Client) -> None:
    answer = stranger.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "camera=(self)" in answer.headers["permissions-policy"]


def test_every_file_is_served_and_asked_for_anew(stranger: httpx.Client) -> None:
    ours = {str(path.relative_to(PAGE)) for path in PAGE.glob("**/*.*")}
    assert set(page_files()) == ours | {"style.css"}
    for name, (data, kind) in page_files().items():
        answer = stranger.get(f"/page/{name}")
        assert answer.content == data
        assert answer.headers["content-type"] == kind
        assert "content-security-policy" in answer.headers
        again = stranger.get(f"/page/{name}", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
        assert not again.content


@pytest.mark.parametrize("name", ["", "none.js", "../app.py", "%2e%2e/app.py", "screens", "x/y"])
def test_nothing_else_is_served(stranger: httpx.Client, name: str) -> None:
    assert stranger.get(f"/page/{name}").status_code == 404


def test_reports_and_the_page_share_one_stylesheet() -> None:
    style = Path(__file__).parents[3] / "src" / "vultus" / "pages" / "templates" / "style.css"
    assert page_files()["style.css"][0] == style.read_bytes()


def test_the_page_loads_nothing_from_elsewhere() -> None:
    for path in PAGE.glob("**/*.*"):
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//[a-z]+\.", text), path
    index = (PAGE / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<script[^>]*>(.*?)</script>", index) == [""]
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", index)


def test_no_script_makes_markup_of_text() -> None:
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function"
    for path in SCRIPTS:
        assert not re.search(forbidden, path.read_text(encoding="utf-8")), path


def test_what_scripts_import_is_there() -> None:
    for path in SCRIPTS:
        text = path.read_text(encoding="utf-8")
        for names, module in re.findall(r'import \{([^}]*)\} from "([^"]+)"', text):
            source = (path.parent / module).resolve().read_text(encoding="utf-8")
            for name in map(str.strip, names.split(",")):
                if name:
                    pattern = rf"export (?:async )?(?:function|class|const|let) {name}\b"
                    assert re.search(pattern, source), (path, name)
                    assert len(re.findall(rf"\b{name}\b", text)) > 1, (path, name, "is not used")


def test_both_languages_have_the_same_words() -> None:
    english, chinese = (_words(language) for language in LANGUAGES)
    assert list(english) == list(chinese)
    for key, said in english.items():
        texts = [said] if isinstance(said, str) else list(said.values())
        other = chinese[key]
        others = [other] if isinstance(other, str) else list(other.values())
        assert isinstance(said, dict) == isinstance(other, dict), key
        assert all(text.strip() for text in (*texts, *others)), key
        filled = [set(re.findall(r"\{(\w+)\}", text)) for text in (*texts, *others)]
        assert all(one == filled[0] for one in filled), key


def test_what_is_english_in_chinese_is_a_name_or_is_typed_as_it_is() -> None:
    for key, said in _words("zh").items():
        for text in [said] if isinstance(said, str) else said.values():
            assert text.count("`") % 2 == 0, key
            read = re.sub(r"`[^`]*`|\{\w+\}", "", text)
            words = set(re.findall(r"\b[A-Za-z][a-z]{2,}\b", read, re.ASCII)) - SAME_IN_CHINESE
            assert not words, key


def test_what_is_typed_as_it_is_stands_where_it_is_marked_up() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in SCRIPTS)
    for key, said in _words("en").items():
        if "`" in str(said):
            # By name, or as the hint of a field, whose words all go that way.
            marked = rf'(withCode\(|field\([^\n]*, )t\("{re.escape(key)}"\)\)'
            assert len(re.findall(marked, text)) == text.count(f'"{key}"'), key


def test_every_key_that_is_used_has_words_and_every_word_is_used() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in SCRIPTS)
    words = _words("en")
    used = set(re.findall(r'"((?:[a-z_]+)(?:\.[a-z_]+)+)"', text)) & set(words)
    asked = set(re.findall(r'\bt\(\s*"([^"]+)"', text))
    assert asked <= set(words), asked - set(words)
    # Of others only a beginning stands there: `t(`role.${...}`)`, `told("event", ...)`.
    families = set(re.findall(r"`([a-z_]+\.[a-z_]*)\$\{", text))
    families |= {f"{name}." for name in re.findall(r'told\("([a-z_]+)"', text)}
    screens = set(re.findall(r'name: "([a-z]+)"', (PAGE / "screens" / "all.js").read_text()))
    titles = {f"{screen}.title" for screen in screens}
    assert titles <= set(words)
    unused = {
        key for key in words
        if key not in used | asked | titles and not key.startswith(tuple(families))
    }  # fmt: skip
    assert not unused


def test_what_the_service_says_has_words() -> None:
    words = _words("en")
    assert {f"event.{name}" for name in EVENT_TYPES} <= set(words)
    assert {f"role.{role.name}" for role in Role} <= set(words)
    assert {f"problem.{code}" for code in CODES} <= set(words)
    assert {f"session_end.{code}" for code in get_args(ReasonCode)} <= set(words)
    asked = {f"liveness.ask_{movement}" for movement in MOVEMENTS}
    assert asked <= set(words)
    drawn = (PAGE / "screens" / "liveness.js").read_text(encoding="utf-8")
    assert all(re.search(rf"^  {movement}: \"M", drawn, re.MULTILINE) for movement in MOVEMENTS)


def test_a_wheel_has_the_files(tmp_path: Path) -> None:
    (wheel,) = WheelBuilder(str(PAGE.parents[3])).build(directory=str(tmp_path))
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    ours = {f"vultus/server/page/{path.relative_to(PAGE)}" for path in PAGE.glob("**/*.*")}
    assert ours <= names
    assert "vultus/pages/templates/style.css" in names
