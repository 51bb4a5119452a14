import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from vultus.cli.main import commands
from vultus.cli.output import console
from vultus.core.errors import (
    ConfigError,
    LicenceError,
    ModelNotFoundError,
    RegistryError,
    VultusError,
)
from vultus.models.built_in import built_in_cards, built_in_files

IMPORT = [
    *("--name", "mine", "--template", "arcface-112", "--colour", "bgr", "--mean", "127.5"),
    *("--std", "128", "--flip", "add", "--licence", "Ours", "--commercial"),
]


@pytest.fixture(autouse=True)
def _own_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("MODELS_MIRROR", "OFFLINE", "MODELS_POLICY", "ACCEPT_LICENCES"):
        monkeypatch.delenv(f"VULTUS_{name}", raising=False)
    monkeypatch.setenv("VULTUS_HOME", str(tmp_path / "home"))


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["image"], ["vector"])],
        "toy",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ("b", 3, 8, 8))],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ("b", 192))],
    )
    path = tmp_path / "toy.onnx"
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


def run(*arguments: str | Path) -> int:
    result = commands.commands["models"].main([str(a) for a in arguments], standalone_mode=False)
    return int(result) if isinstance(result, int) else 0


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Any:
    run(*arguments, "--json")
    return json.loads(capsys.readouterr().out)


def test_list_can_be_read_on_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    console.cache_clear()
    run("list")
    lines = capsys.readouterr().out.splitlines()
    console.cache_clear()
    place = next(i for i, line in enumerate(lines) if line.startswith("yunet-n-dynamic "))
    assert lines[place].split() == ["yunet-n-dynamic", "detection", "yes", "yes"]
    assert lines[place + 1].strip() == built_in_cards()["yunet-n-dynamic"].description
    assert max(map(len, lines)) <= 80


def test_list_as_csv(capsys: pytest.CaptureFixture[str]) -> None:
    run("list", "--csv")
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out, newline="")))
    assert [row["name"] for row in rows] == list(built_in_cards())
    found = next(row for row in rows if row["name"] == "adaface-ir18")
    assert (found["commercial_use"], found["licence"]) == (
        "no",
        built_in_cards()["adaface-ir18"].licence.name,
    )


def test_list_shows_every_model(capsys: pytest.CaptureFixture[str]) -> None:
    rows = run_json(capsys, "list")
    assert [row["name"] for row in rows] == list(built_in_cards())
    here = {row["name"]: row["here"] for row in rows if row["here"]}
    assert here.pop("dlib-resnet", "package") == "package"  # where its extra is installed
    assert here == {"vultus-s2": "built in"}
    rows = run_json(capsys, "list", "--task", "quality")
    assert [row["name"] for row in rows] == ["ediffiqa-tiny"]
    run("list")
    text = capsys.readouterr().out
    assert "commercial" in text
    assert "w600k" in text
    assert "vultus-s2+dlib-resnet" in text
    assert "a predictor of 68 points that is not for products" in " ".join(text.split())
    run("list", "--task", "quality")
    assert "committee" not in capsys.readouterr().out


def test_show_gives_the_card_of_a_committee(capsys: pytest.CaptureFixture[str]) -> None:
    shown = run_json(capsys, "show", "dlib-resnet+vultus-s2")
    assert shown["name"] == "vultus-s2+dlib-resnet"
    assert not shown["licence"]["commercial_use"]
    assert [round(point["fmr"], 4) for point in shown["thresholds"]] == [0.01, 0.001, 0.0001]


def test_show_gives_the_whole_card(capsys: pytest.CaptureFixture[str]) -> None:
    card = built_in_cards()["sface-2021dec"]
    assert run_json(capsys, "show", "sface-2021dec") == card.to_dict() | {"here": ""}
    run("show", "sface-2021dec")
    text = capsys.readouterr().out
    assert card.sha256 in text
    assert "none measured" in text


def test_import_path_verify_remove(capsys: pytest.CaptureFixture[str], model_file: Path) -> None:
    card = run_json(capsys, "import", model_file, *IMPORT)
    assert (card["embedding_dim"], card["colour"], card["std"]) == (192, "bgr", 128.0)
    assert card["licence"]["commercial_use"] is True
    stored = Path(run_json(capsys, "path", "mine")["path"])
    assert stored.read_bytes() == model_file.read_bytes()
    assert run("path", "mine") == 0
    assert capsys.readouterr().out == f"{stored}\n"
    assert [row["here"] for row in run_json(capsys, "list") if row["name"] == "mine"] == ["store"]
    built_in = str(built_in_files() / "vultus-s2.onnx")
    verified = [row for row in run_json(capsys, "verify") if row["name"] != "dlib-resnet"]
    assert verified == [
        {"name": "mine", "path": str(stored), "right": True},
        {"name": "vultus-s2", "path": built_in, "right": True},
    ]

    stored.write_bytes(b"x" + stored.read_bytes()[1:])
    assert run("verify", "mine") == 2
    assert "NOT RIGHT" in capsys.readouterr().out
    assert [row["here"] for row in run_json(capsys, "list") if row["name"] == "mine"] == ["changed"]

    assert run_json(capsys, "remove", "mine") == {"name": "mine", "removed": True}
    with pytest.raises(RegistryError, match="no 'mine'"):
        run("path", "mine")


def test_an_imported_model_runs(capsys: pytest.CaptureFixture[str], model_file: Path) -> None:
    run_json(capsys, "import", model_file, *IMPORT)
    path = run_json(capsys, "path", "mine")["path"]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    image = np.zeros((2, 3, 8, 8), np.float32)
    assert session.run(None, {"image": image})[0].shape == (2, 192)


def test_import_with_a_card(
    capsys: pytest.CaptureFixture[str], model_file: Path, tmp_path: Path
) -> None:
    card = tmp_path / "card.toml"
    card.write_text(
        'name = "theirs"\ntemplate = "arcface-112"\ncolour = "rgb"\nmean = 0\nstd = 1\n'
        'notes = "by card"\n[licence]\nname = "MIT"\ncommercial_use = true\nsource = "them"\n'
    )
    given = run_json(capsys, "import", model_file, "--card", card, "--name", "ours")
    assert (given["name"], given["notes"], given["mean"]) == ("ours", "by card", 0.0)
    card.write_text("name =")
    with pytest.raises(ConfigError, match="TOML"):
        run("import", model_file, "--card", card)


def test_import_names_every_option_that_is_missing(model_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"--template, --colour, --mean, --std, --licence"):
        run("import", model_file, "--name", "mine")
    with pytest.raises(VultusError, match="no known card"):
        run("import", model_file)


def test_pull_takes_from_a_mirror(
    capsys: pytest.CaptureFixture[str],
    model_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run("import", model_file, *IMPORT)
    stored = tmp_path / "home" / "models" / "mine" / "toy.onnx"
    stored.unlink()
    monkeypatch.setenv("VULTUS_MODELS_MIRROR", str(model_file.parent))
    capsys.readouterr()
    pulled = run_json(capsys, "pull", "mine")
    assert [row["path"] for row in pulled] == [str(stored)]
    assert stored.read_bytes() == model_file.read_bytes()


def test_pull_states_licences_and_the_offline_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LicenceError, match="--accept-licence"):
        run("pull", "w600k-r50")
    monkeypatch.setenv("VULTUS_OFFLINE", "1")
    with pytest.raises(ModelNotFoundError, match="VULTUS_OFFLINE"):
        run("pull", "w600k-r50", "--accept-licence")
    with pytest.raises(ModelNotFoundError, match="no address"):
        run("pull", "mobilefacenet-y1")
