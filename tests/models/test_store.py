import hashlib
import logging
import os
import random
import selectors
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vultus.core.errors import (
    DigestError,
    DownloadError,
    LicenceError,
    ModelError,
    ModelNotFoundError,
    RegistryError,
)
from vultus.models import imported
from vultus.models import store as store_module
from vultus.models.built_in import built_in_cards
from vultus.models.cards import ModelCard
from vultus.models.digest import check_digest
from vultus.models.imported import card_for_file, write_card
from vultus.models.store import ModelStore

BODY = random.Random(0).randbytes(50_000)
RESEARCH = {"name": "Research only", "commercial_use": False, "source": "them"}

PULL = """
import logging, sys
from vultus.models.store import ModelStore
logging.basicConfig(level=logging.INFO)
logging.getLogger("filelock").setLevel(logging.DEBUG)
print(ModelStore(sys.argv[1]).fetch("toy"))
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def put_card(root: Path, make_card: Callable[..., ModelCard]) -> Callable[..., ModelCard]:
    """Writes the card of a model called toy, whose file is not there, into the store."""

    def put(**changes: Any) -> ModelCard:
        card = make_card(BODY, **changes)
        (root / card.name).mkdir(parents=True, exist_ok=True)
        write_card(root, card)
        return card

    return put


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    folder = tmp_path / "mirror"
    folder.mkdir()
    return folder


class TestNames:
    def test_built_in_and_imported_together(
        self, root: Path, put_card: Callable[..., ModelCard]
    ) -> None:
        put_card()
        names = ModelStore(root).names()
        assert names == sorted([*built_in_cards(), "toy"])
        assert set(ModelStore(root).names("detection")).isdisjoint(
            ModelStore(root).names("quality")
        )
        assert "yunet-2023mar" in ModelStore(root).names("detection")

    def test_an_unknown_name_suggests_the_nearest(self, root: Path) -> None:
        with pytest.raises(RegistryError, match="did you mean 'mobilefacenet-y1'"):
            ModelStore(root).card("mobilfacenet-y1")

    @pytest.mark.parametrize("name", ["../toy", "", ".", "toy/../toy"])
    def test_a_name_cannot_lead_out_of_the_store(
        self, root: Path, put_card: Callable[..., ModelCard], name: str
    ) -> None:
        put_card()
        with pytest.raises(RegistryError):
            ModelStore(root).card(name)


class TestPath:
    def test_nothing_here_says_how_to_get_it(self, root: Path) -> None:
        with pytest.raises(ModelNotFoundError, match="vultus models pull sface-2021dec") as caught:
            ModelStore(root).path("sface-2021dec")
        assert "VULTUS_MODELS_MIRROR" in str(caught.value)
        with pytest.raises(ModelNotFoundError) as caught:
            ModelStore(root).path("mobilefacenet-y1")
        assert "pull" not in str(caught.value)
        assert not root.exists()

    def test_a_mirror_is_used_in_place(
        self, root: Path, mirror: Path, put_card: Callable[..., ModelCard]
    ) -> None:
        put_card()
        (mirror / "any-name.bin").write_bytes(BODY)
        assert ModelStore(root, mirror).path("toy") == mirror / "any-name.bin"
        assert ModelStore(root, mirror, offline=True).fetch("toy") == mirror / "any-name.bin"

    def test_a_known_file_is_read_once_and_again_when_changed(
        self,
        root: Path,
        mirror: Path,
        put_card: Callable[..., ModelCard],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        put_card()
        (mirror / "m").write_bytes(BODY)
        stored = ModelStore(root, mirror).pull("toy")
        reads: list[Path] = []

        def spy(path: Path, sha256: str) -> None:
            reads.append(path)
            check_digest(path, sha256)

        monkeypatch.setattr(store_module, "check_digest", spy)
        assert ModelStore(root).path("toy") == stored
        assert reads == []
        os.utime(stored, ns=(0, 0))
        assert ModelStore(root).path("toy") == stored
        assert ModelStore(root).path("toy") == stored
        assert reads == [stored]
        stored.write_bytes(b"x" + BODY[1:])
        with pytest.raises(DigestError, match="vultus models pull toy"):
            ModelStore(root).path("toy")

    def test_policy_refuses_wherever_the_file_comes_from(
        self, root: Path, mirror: Path, put_card: Callable[..., ModelCard]
    ) -> None:
        put_card(licence=RESEARCH)
        (mirror / "m").write_bytes(BODY)
        strict = ModelStore(root, mirror, policy="commercial-only")
        for refused in (strict.path, strict.fetch, strict.pull):
            with pytest.raises(LicenceError, match="commercial-only"):
                refused("toy")
        assert ModelStore(root, mirror).path("toy") == mirror / "m"


class TestPull:
    def test_from_a_mirror_into_the_store(
        self, root: Path, mirror: Path, put_card: Callable[..., ModelCard]
    ) -> None:
        put_card(licence=RESEARCH)  # a mirror asks for no acceptance
        (mirror / "m").write_bytes(BODY)
        stored = ModelStore(root, mirror, offline=True).pull("toy")
        shutil.rmtree(mirror)
        assert stored == root / "toy" / "toy.onnx"
        assert ModelStore(root).path("toy") == stored
        assert stored.read_bytes() == BODY

    def test_from_the_network_once(
        self, root: Path, server: Any, put_card: Callable[..., ModelCard]
    ) -> None:
        server.files["/m"] = BODY
        put_card(url=f"{server.url}/m")
        seen: list[int] = []
        stored = ModelStore(root).fetch("toy", progress=lambda done, total: seen.append(done))
        assert stored.read_bytes() == BODY
        assert seen[-1] == len(BODY)
        assert ModelStore(root).fetch("toy") == ModelStore(root).pull("toy") == stored
        assert server.requests == 1

    def test_a_changed_file_is_fetched_anew(
        self, root: Path, server: Any, put_card: Callable[..., ModelCard]
    ) -> None:
        server.files["/m"] = BODY
        put_card(url=f"{server.url}/m")
        stored = ModelStore(root).pull("toy")
        stored.write_bytes(b"x" + BODY[1:])
        assert ModelStore(root).pull("toy").read_bytes() == BODY

    def test_offline_never_asks(
        self,
        root: Path,
        server: Any,
        put_card: Callable[..., ModelCard],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        server.files["/m"] = BODY
        put_card(url=f"{server.url}/m")
        monkeypatch.setenv("VULTUS_OFFLINE", "1")
        with pytest.raises(ModelNotFoundError, match="VULTUS_OFFLINE"):
            ModelStore(root).fetch("toy")
        assert server.requests == 0

    def test_a_licence_is_asked_for_once(
        self, root: Path, server: Any, put_card: Callable[..., ModelCard]
    ) -> None:
        server.files["/m"] = BODY
        put_card(url=f"{server.url}/m", licence=RESEARCH)
        with pytest.raises(LicenceError, match="--accept-licence"):
            ModelStore(root).fetch("toy")
        assert server.requests == 0
        stored = ModelStore(root).pull("toy", accept=True)
        stored.unlink()
        assert ModelStore(root).fetch("toy") == stored

    def test_a_refusal_leaves_no_folder(self, root: Path) -> None:
        with pytest.raises(LicenceError):
            ModelStore(root).pull("w600k-r50")
        assert not root.exists()

    @pytest.mark.parametrize("where", ["network", "mirror"])
    def test_out_of_a_pack(
        self, root: Path, server: Any, mirror: Path, put_card: Callable[..., ModelCard], where: str
    ) -> None:
        pack = (mirror if where == "mirror" else root.parent) / "pack.zip"
        with zipfile.ZipFile(pack, "w") as archive:
            archive.writestr("pack/inner.onnx", BODY)
            archive.writestr("pack/other.onnx", b"other")
        server.files["/p.zip"] = pack.read_bytes()
        put_card(
            url=f"{server.url}/p.zip",
            archive_sha256=hashlib.sha256(pack.read_bytes()).hexdigest(),
            archive_member="inner.onnx",
        )
        stored = ModelStore(root, mirror).fetch("toy")
        assert stored.read_bytes() == BODY
        assert server.requests == (1 if where == "network" else 0)
        left = {path.name for path in stored.parent.iterdir()}
        assert left == {"toy.onnx", "toy.onnx.verified", "card.toml", ".lock"}

    def test_two_processes_download_once(
        self, root: Path, server: Any, put_card: Callable[..., ModelCard]
    ) -> None:
        server.files["/m"] = BODY
        server.mischief.append("hold")
        put_card(url=f"{server.url}/m")
        command = [sys.executable, "-c", PULL, str(root)]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with (
            subprocess.Popen(command, text=True, **pipes) as one,
            subprocess.Popen(command, text=True, **pipes) as other,
        ):
            try:
                # The server holds the first one's answer until the second one waits for it.
                _wait_for_waiting(one, other)
            finally:
                server.gate.set()
            results = [process.communicate(timeout=60)[0].strip() for process in (one, other)]
        assert results == [str(root / "toy" / "toy.onnx")] * 2
        assert server.requests == 1
        assert server.body_bytes == len(BODY)

    @pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a folder that is shut")
    def test_a_store_that_cannot_be_written_is_named(
        self, root: Path, mirror: Path, put_card: Callable[..., ModelCard]
    ) -> None:
        put_card(name="other")
        (mirror / "m").write_bytes(BODY)
        root.chmod(0o500)
        with pytest.raises(ModelError, match="VULTUS_HOME"):
            ModelStore(root, mirror).pull("other")

    def test_a_file_where_the_store_should_be_is_named(self, root: Path, mirror: Path) -> None:
        root.write_text("no folder")
        with pytest.raises(ModelError, match="set VULTUS_HOME"):
            ModelStore(root, mirror).pull("sface-2021dec")

    def test_a_missing_file_on_the_server_is_a_download_error(
        self, root: Path, server: Any, put_card: Callable[..., ModelCard]
    ) -> None:
        put_card(url=f"{server.url}/absent")
        with pytest.raises(DownloadError, match="404"):
            ModelStore(root).fetch("toy")


class TestVerify:
    def test_the_whole_file_is_read_despite_its_stamp(
        self, root: Path, mirror: Path, put_card: Callable[..., ModelCard]
    ) -> None:
        put_card()
        (mirror / "m").write_bytes(BODY)
        store = ModelStore(root, mirror)
        assert store.verify("toy") == mirror / "m"
        stored = store.pull("toy")
        assert store.verify("toy") == stored
        status = stored.stat()
        stored.write_bytes(b"x" + BODY[1:])
        os.utime(stored, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert store.path("toy") == stored  # same size and time: the stamp is believed
        with pytest.raises(DigestError):
            store.verify("toy")

    def test_what_is_not_here_is_said(self, root: Path) -> None:
        with pytest.raises(ModelNotFoundError):
            ModelStore(root).verify("sface-2021dec")


class TestImport:
    VALUES: dict[str, Any] = {  # noqa: RUF012
        "name": "mine",
        "task": "embedding",
        "description": "Mine",
        "licence": RESEARCH,
        "template": "arcface-112",
        "colour": "rgb",
        "mean": 0,
        "std": 1,
        "flip": "none",
    }

    def test_an_imported_model_is_like_any_other(
        self, root: Path, make_onnx: Callable[..., Path]
    ) -> None:
        source = make_onnx()
        card = ModelStore(root).import_model(source, self.VALUES)
        source.unlink()
        store = ModelStore(root, offline=True)
        assert store.card("mine") == card
        assert "mine" in store.names("embedding")
        assert store.path("mine") == store.verify("mine") == root / "mine" / "toy.onnx"

    def test_the_same_file_may_get_a_better_card(
        self, root: Path, make_onnx: Callable[..., Path]
    ) -> None:
        store = ModelStore(root)
        store.import_model(make_onnx(), self.VALUES)
        store.import_model(make_onnx(), self.VALUES | {"notes": "better"})
        assert store.card("mine").notes == "better"

    def test_a_name_is_not_taken_twice(self, root: Path, make_onnx: Callable[..., Path]) -> None:
        store = ModelStore(root)
        store.import_model(make_onnx(), self.VALUES)
        other = make_onnx("other.onnx", image=("b", 3, 4, 4), vector=("b", 48))
        with pytest.raises(RegistryError, match="vultus models remove mine"):
            store.import_model(other, self.VALUES)
        with pytest.raises(RegistryError, match="built-in"):
            store.import_model(other, self.VALUES | {"name": "w600k-r50"})

    def test_a_file_of_a_known_card_needs_no_words(
        self, root: Path, tmp_path: Path, put_card: Callable[..., ModelCard]
    ) -> None:
        card = put_card()
        (tmp_path / "download (3).bin").write_bytes(BODY)
        store = ModelStore(root)
        assert store.import_model(tmp_path / "download (3).bin") == card
        assert store.path("toy") == root / "toy" / "toy.onnx"
        (tmp_path / "other").write_bytes(b"other")
        with pytest.raises(ModelError, match="no known card"):
            store.import_model(tmp_path / "other")

    def test_a_claim_against_known_terms_is_logged(
        self,
        root: Path,
        make_onnx: Callable[..., Path],
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        source = make_onnx()
        known = card_for_file(source, self.VALUES | {"name": "known"})
        monkeypatch.setattr(imported, "built_in_cards", lambda: {"known": known})
        bought = {"name": "Bought", "commercial_use": True, "source": "contract 7"}
        with caplog.at_level(logging.WARNING):
            ModelStore(root).import_model(source, self.VALUES)
            assert caplog.text == ""
            ModelStore(root).import_model(source, self.VALUES | {"licence": bought})
        assert "mine is the file of known" in caplog.text

    def test_policy_and_absent_files(self, root: Path, make_onnx: Callable[..., Path]) -> None:
        with pytest.raises(LicenceError):
            ModelStore(root, policy="commercial-only").import_model(make_onnx(), self.VALUES)
        with pytest.raises(ModelNotFoundError, match=r"absent\.onnx"):
            ModelStore(root).import_model("absent.onnx", self.VALUES)
        assert not root.exists()


class TestRemove:
    def test_file_and_imported_card_go(
        self, root: Path, mirror: Path, put_card: Callable[..., ModelCard]
    ) -> None:
        put_card()
        (mirror / "m").write_bytes(BODY)
        store = ModelStore(root, mirror)
        store.pull("toy")
        store.calibration_path("toy").write_text("{}", encoding="utf-8")
        store.remove("toy")
        assert not (root / "toy").exists()
        assert (mirror / "m").exists()
        with pytest.raises(RegistryError):
            store.card("toy")

    def test_what_is_not_in_the_store_cannot_go(self, root: Path) -> None:
        with pytest.raises(ModelNotFoundError, match="not in the store"):
            ModelStore(root).remove("sface-2021dec")

    def test_all_of_a_folder_is_removed(self, root: Path, make_onnx: Callable[..., Path]) -> None:
        store = ModelStore(root)
        for broken in (False, True):
            store.import_model(make_onnx(), TestImport.VALUES | {"name": "toy"})
            folder = root / "toy"
            (folder / "notes/deep").mkdir(parents=True)
            (folder / "notes/deep/a.txt").write_text("mine")
            (folder / "link").symlink_to(root.parent, target_is_directory=True)
            if broken:
                (folder / "card.toml").write_text("name = ")
            store.remove("toy")
            assert not folder.exists()
            assert root.parent.is_dir()
        folder.mkdir()  # what a kill between file and card leaves
        (folder / "toy.onnx").write_bytes(b"x")
        store.remove("toy")
        assert not folder.exists()
        with pytest.raises(RegistryError):
            store.remove("toy")

    def test_what_cannot_be_removed_is_said_and_can_be_tried_again(
        self, root: Path, make_onnx: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = ModelStore(root)
        store.import_model(make_onnx(), TestImport.VALUES | {"name": "toy"})
        (root / "toy/notes").mkdir()

        def refuse(path: Path) -> None:
            raise PermissionError(13, "not allowed", str(path))

        with monkeypatch.context() as patched:
            patched.setattr("vultus.models.store.shutil.rmtree", refuse)
            with pytest.raises(ModelError, match=r"removed in part only: .*notes"):
                store.remove("toy")
        assert "toy" in store.names()
        store.remove("toy")
        assert not (root / "toy").exists()


def _wait_for_waiting(*processes: "subprocess.Popen[str]") -> None:
    with selectors.DefaultSelector() as selector:
        for process in processes:
            assert process.stderr is not None
            selector.register(process.stderr, selectors.EVENT_READ)
        while True:
            ready = selector.select(timeout=60)
            assert ready, "no process waits for the other"
            for key, _ in ready:
                line = key.fileobj.readline()  # type: ignore[union-attr]
                assert line, "a process ended instead of waiting"
                if "not acquired" in line:
                    return
