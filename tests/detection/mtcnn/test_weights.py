import pickle
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from vultus.core.errors import DigestError, ModelNotFoundError
from vultus.detection.mtcnn import weights as mtcnn_weights
from vultus.detection.mtcnn.cascade import Stage
from vultus.detection.mtcnn.weights import WEIGHT_DIGESTS, load_weights, weight_path


@pytest.mark.parametrize(("stage", "count"), [("pnet", 6632), ("rnet", 100178), ("onet", 389040)])
def test_the_networks_have_their_published_number_of_weights(stage: Stage, count: int) -> None:
    assert sum(array.size for array in load_weights(stage)) == count
    assert not any(array.flags.writeable for array in load_weights(stage))


def test_reading_imports_neither_the_package_nor_tensorflow() -> None:
    load_weights("pnet")
    assert "mtcnn" not in sys.modules
    assert "tensorflow" not in sys.modules


def test_a_changed_file_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = bytearray(weight_path("pnet").read_bytes())
    changed[1000] ^= 1
    (tmp_path / "pnet.lz4").write_bytes(changed)
    with pytest.raises(DigestError, match="must have SHA-256 ea6b"):
        mtcnn_weights._verified_bytes(tmp_path / "pnet.lz4", WEIGHT_DIGESTS["pnet"])


def test_a_missing_package_or_file_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mtcnn_weights, "find_spec", lambda name: None)
    with pytest.raises(ModelNotFoundError, match="pip install 'mtcnn"):
        weight_path("pnet")
    empty = ModuleSpec("mtcnn", None, is_package=True)
    empty.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(mtcnn_weights, "find_spec", lambda name: empty)
    with pytest.raises(ModelNotFoundError, match="has no file"):
        weight_path("pnet")


def test_only_arrays_can_be_unpickled() -> None:
    with pytest.raises(DigestError, match="arrays only, got pathlib"):
        mtcnn_weights._unpickle(pickle.dumps([Path("x")]))
