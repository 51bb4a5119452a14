"""Whatever stands in a file or on a command line is read, or refused in one known way."""

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vultus.core.errors import ConfigError, InputError
from vultus.curation.align.alignment_file import read_settings
from vultus.curation.apply.journal import read_journal
from vultus.curation.audit.manifest import read_manifest
from vultus.data.augmentation import AUGMENTATIONS, Augmentation
from vultus.evaluation.protocols import PROTOCOLS
from vultus.matching.calibration import load_calibration
from vultus.models.cards import ModelCard
from vultus.pipeline.measuring.settings import parse_settings
from vultus.training.recipe.overlay import apply_overrides
from vultus.training.recipe.recipe import Recipe
from vultus.training.recipe.recipe_file import load_recipe, recipe_toml

RECIPE = load_recipe("arcface-tiny").to_dict()
CARD: dict[str, Any] = {
    "name": "toy",
    "task": "embedding",
    "description": "A toy",
    "file_name": "toy.onnx",
    "sha256": "ab" * 32,
    "licence": {"name": "MIT", "commercial_use": True, "source": "us"},
    "template": "arcface-112",
    "colour": "rgb",
    "mean": 127.5,
    "std": 128,
    "embedding_dim": 4,
    "flip": "add",
    "thresholds": [{"similarity": 0.3, "fmr": 0.01, "n_impostor": 900, "origin": "x"}],
}
SPACE = {"model": "toy", "weights_sha256": "0" * 64, "preprocessing": "none", "dim": 8}
CURVE = {"size": 10, "similarities": [0.3, 0.4], "fpirs": [0.1, 0.01]}
LEVEL = {"photos_per_person": 1, "n_people": 9, "n_strangers": 9, "n_searches": 9}
CALIBRATION = {
    "format": "vultus-calibration-1",
    "space": SPACE,
    "created": "now",
    "data": {
        "name": "x", "sha256": "y", "n_people": 1, "n_photos": 2, "n_people_held_out": 1,
        "n_photos_held_out": 2, "failures": 0, "detector": None, "seed": 0,
    },
    "thresholds": CARD["thresholds"],
    "gallery_rates": {"origin": "x", "levels": [LEVEL | {"curves": [CURVE]}]},
    "evidence": {"method": "isotonic", "similarities": [0.1, 0.5], "llrs": [-3.0, 5]},
    "checks": {},
}  # fmt: skip
ALIGNMENT = {
    "format": "vultus-alignment-1",
    "alignment": {"template": "arcface-112", "quality": 90},
    "result": {"photos": 3},
}
HEADER = {
    "format": "vultus-audit-1", "source": "/x", "kind": "folder", "settings": {}, "n_images": 3,
    "space": "toy", "rules": {"ratio": 0.8}, "created": "now",
}  # fmt: skip
FINDING = {
    "action": "drop", "kind": "stranger", "score": 0.5, "identity": "a", "images": ["a/1.png"],
    "to": None, "evidence": ["b/1.png"], "reason": "",
}  # fmt: skip
JOURNAL = {"format": "vultus-applied-1", "root": "/x", "made_by": "y", "moves": "1"}
MOVE = {"start": "a/1.png", "end": "a/1.png", "aside": True, "sha256": "z"}

SCALARS = st.booleans() | st.integers() | st.floats() | st.text() | st.dates()
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
SETTINGS = {
    name: [*inspect.signature(AUGMENTATIONS.get(name)).parameters, "probability", "shared"]
    for name in AUGMENTATIONS
}


def places(tree: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in a tree, its own included."""
    items: Any = ()
    if isinstance(tree, dict):
        items = tree.items()
    elif isinstance(tree, list):
        items = enumerate(tree)
    return [above, *(path for key, item in items for path in places(item, (*above, key)))]


def put(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of the tree with another value in one place."""
    if not path:
        return value
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[path[0]] = put(tree[path[0]], path[1:], value)
    return copy


def spoilt(draw: st.DataObject, good: Any, values: st.SearchStrategy[Any] = TREES) -> Any:
    """A good tree with something else in one or two places, or a key too many."""
    for _ in range(draw.draw(st.integers(1, 2))):
        path = draw.draw(st.sampled_from(places(good)))
        inner = good
        for key in path:
            inner = inner[key]
        if isinstance(inner, dict) and draw.draw(st.booleans()):
            path = (*path, draw.draw(st.text()))
            inner[path[-1]] = None
        good = put(good, path, draw.draw(values))
    return good


def read_or_refused(read: Callable[[], object]) -> bool:
    """Whether it could be read; any error but the two that it may raise goes through."""
    try:
        read()
    except (ConfigError, InputError):
        return False
    return True


many = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def copied(tree: Any) -> Any:
    return json.loads(json.dumps(tree))


@many
@given(st.data())
def test_recipes(data: st.DataObject) -> None:
    values = spoilt(data, copied(RECIPE))
    if not isinstance(values, dict):
        return
    words = [f"{'.'.join(map(str, path))}=1" for path in places(values) if path]
    chosen = data.draw(
        st.lists(st.sampled_from(words) | st.text(), max_size=2) if words else st.just([])
    )

    def read() -> None:
        recipe = Recipe.from_dict(apply_overrides(values, chosen), source="r.toml")
        assert Recipe.from_dict(recipe.to_dict(), source="") is not None
        recipe_toml(recipe)

    read_or_refused(read)


@many
@given(st.data())
def test_cards(data: st.DataObject) -> None:
    values = spoilt(data, copied(CARD))
    if isinstance(values, dict):
        read_or_refused(lambda: ModelCard.from_dict(values))


@many
@given(st.data())
def test_augmentation_tables(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(AUGMENTATIONS)))
    taken = st.sampled_from(sorted(SETTINGS[name])) if SETTINGS[name] else st.text()
    table = data.draw(st.dictionaries(taken, TREES, max_size=2)) | {"name": name}
    read_or_refused(lambda: Augmentation.from_tables([table]))


@many
@given(st.data())
def test_settings_of_protocols(data: st.DataObject) -> None:
    factory = PROTOCOLS.get(data.draw(st.sampled_from(sorted(PROTOCOLS))))
    name = st.sampled_from(sorted(inspect.signature(factory).parameters)) | st.text()
    words = data.draw(st.lists(st.builds("{}={}".format, name, st.text()) | st.text()))
    read_or_refused(lambda: parse_settings(factory, words))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outside")


@many
@given(st.data())
def test_calibrations(folder: Path, data: st.DataObject) -> None:
    path = folder / "calibration.json"
    values = spoilt(data, copied(CALIBRATION), JSON)
    path.write_text(json.dumps(values), encoding="utf-8")
    read_or_refused(lambda: load_calibration(path))


@many
@given(st.data())
def test_alignment_files(folder: Path, data: st.DataObject) -> None:
    values = spoilt(data, copied(ALIGNMENT))
    if isinstance(values, dict):
        path = folder / "alignment.toml"
        path.write_text(tomli_w.dumps(values), encoding="utf-8", errors="replace")
        read_or_refused(lambda: read_settings(path))


@many
@given(st.data())
def test_manifests(folder: Path, data: st.DataObject) -> None:
    path = written(folder / "manifest.jsonl", spoilt(data, copied([HEADER, FINDING]), JSON))
    read_or_refused(lambda: read_manifest(path))


@many
@given(st.data())
def test_journals(folder: Path, data: st.DataObject) -> None:
    path = written(folder / "journal.jsonl", spoilt(data, copied([JOURNAL, MOVE]), JSON))
    read_or_refused(lambda: read_journal(path.parent))


def written(path: Path, lines: Any) -> Path:
    """A file with a line of JSON for each entry of a list, or with what else there is."""
    text = "\n".join(map(json.dumps, lines)) if isinstance(lines, list) else str(lines)
    path.write_text(text, encoding="utf-8", errors="replace")
    return path


@pytest.mark.parametrize(
    "read",
    [
        lambda: Recipe.from_dict(RECIPE, source=""),
        lambda: ModelCard.from_dict(CARD),
        lambda: Augmentation.from_tables([{"name": "flip"}]),
    ],
)
def test_what_is_spoilt_was_good(read: Callable[[], object]) -> None:
    assert read_or_refused(read)


def test_the_files_that_are_spoilt_were_good(folder: Path) -> None:
    (folder / "c.json").write_text(json.dumps(CALIBRATION))
    load_calibration(folder / "c.json")
    (folder / "a.toml").write_text(tomli_w.dumps(ALIGNMENT))
    read_settings(folder / "a.toml")
    (folder / "m.jsonl").write_text(f"{json.dumps(HEADER)}\n{json.dumps(FINDING)}")
    assert len(read_manifest(folder / "m.jsonl").findings) == 1
    (folder / "journal.jsonl").write_text(f"{json.dumps(JOURNAL)}\n{json.dumps(MOVE)}")
    assert len(read_journal(folder).moves) == 1
