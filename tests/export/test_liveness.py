"""A run as a model file: what it is measured at, and that it judges as every passive look does."""

import shutil
import tomllib
from pathlib import Path

import pytest
from tests.training.liveness.world import SPECIES

from vultus.core.errors import InputError, OutputError
from vultus.export import liveness as module
from vultus.export.liveness import LivenessExport, export_liveness
from vultus.liveness.passive import open_passive_liveness
from vultus.models.cards import Licence, ModelCard
from vultus.pipeline.measuring.liveness import evaluate_liveness
from vultus.pipeline.recognizer import Recognizer
from vultus.runtime.session import open_session
from vultus.training.liveness.prepared import PreparedPhotos
from vultus.training.liveness.train import LivenessRun


@pytest.fixture(scope="module")
def exported(trained: LivenessRun, tmp_path_factory: pytest.TempPathFactory) -> LivenessExport:
    terms = Licence("ours", commercial_use=True, source="us")
    file = tmp_path_factory.mktemp("file") / "mine.onnx"
    return export_liveness(trained.path, file, licence=terms)


def test_it_has_learnt_to_tell_imitations_from_drawn_faces(
    exported: LivenessExport, prepared: PreparedPhotos
) -> None:
    scores = module._scores(open_session(exported.file), prepared, "held out")
    for kind in SPECIES:
        higher = scores["live"][:, None] > scores[kind]
        assert higher.mean() > 0.75  # half would be no better than a coin
    assert exported.max_difference <= 1e-4


def test_the_card_says_what_was_measured_and_on_whom(
    exported: LivenessExport,
    prepared: PreparedPhotos,
) -> None:
    card = ModelCard.from_file(exported.card_file)
    assert card == exported.card
    rule = card.liveness
    assert rule is not None
    assert {one.name: one.n for one in rule.by_species} == {
        kind: len(prepared.rows("held out", kind)) for kind in SPECIES
    }
    assert rule.n_bona_fide == len(prepared.rows("held out", "live"))
    n = exported.groups
    assert f"{n['held out']} held-out people of site" in rule.origin.replace("site0", "site")
    assert f"set on {n['setting']} others" in rule.origin
    assert f"trained on {n['train']} others" in rule.origin
    assert (card.licence.name, card.template) == ("ours", "context-1")
    assert "attacks pass it" in card.notes
    assert tomllib.loads(exported.card_file.read_text())["liveness"]["by_species"]


def test_what_is_stated_is_what_an_evaluation_finds(
    exported: LivenessExport,
    prepared: PreparedPhotos,
    tmp_path: Path,
) -> None:
    for photo, part in zip(prepared.photos, prepared.parts, strict=True):
        if part == "held out":
            kind = "live" if photo.kind == "live" else f"attack/{photo.kind}"
            (tmp_path / kind / photo.group).mkdir(parents=True, exist_ok=True)
            shutil.copy(photo.path, tmp_path / kind / photo.group)
    found = evaluate_liveness(
        tmp_path, liveness=open_passive_liveness([exported.file]), recognizer=Recognizer(gate=None)
    )
    assert found.rates.bpcer == exported.rates.bpcer
    assert {one.name: one.apcer for one in found.rates.species} == {
        one.name: one.apcer for one in exported.rates.species
    }


def test_a_recogniser_takes_the_file(exported: LivenessExport, prepared: PreparedPhotos) -> None:
    recognizer = Recognizer(liveness=str(exported.file))
    assert recognizer.liveness is not None
    assert recognizer.liveness.threshold == exported.card.liveness
    attack = prepared.photos[int(prepared.rows("train", "print")[0])]
    (photo,) = recognizer.analyse([attack.path])
    assert any("presentation attack" in reason for reason in photo.refusals[0])


def test_the_same_run_gives_the_same_file(
    exported: LivenessExport,
    trained: LivenessRun,
) -> None:
    again = export_liveness(trained.path)
    assert again.file == trained.path / "door.onnx"
    assert again.file.read_bytes() == exported.file.read_bytes()
    with pytest.raises(OutputError, match="exists"):
        export_liveness(trained.path, replace=False)


def test_a_network_that_tells_nothing_apart_gets_no_threshold(
    trained: LivenessRun,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "live_probability", lambda session, pixels: 1.0)
    with pytest.raises(InputError, match=r"no threshold keeps the APCER to 0\.05"):
        export_liveness(trained.path, tmp_path / "mine.onnx")
    assert not list(tmp_path.iterdir())


def test_the_threshold_lies_in_the_middle_where_both_lie_apart(
    prepared: PreparedPhotos,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    by_row = dict.fromkeys(prepared.rows("setting", "live").tolist(), 0.9)
    answers = {prepared.pixels[row].tobytes(): score for row, score in by_row.items()}
    monkeypatch.setattr(
        module, "live_probability", lambda session, pixels: answers.get(pixels.tobytes(), 0.1)
    )
    assert module._threshold(None, prepared, apcer=0.0) == pytest.approx(0.5)  # type: ignore[arg-type]
