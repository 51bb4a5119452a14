import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import OutputError
from vultus.gallery.gallery import Gallery
from vultus.gallery.upkeep.audit_file import write_audit


def test_every_entry_is_a_line(
    tmp_path: Path, space: EmbeddingSpace, photos_of: Callable[..., Embeddings]
) -> None:
    out = tmp_path / "audit.jsonl"
    with Gallery.open(tmp_path / "people.db", space=space, actor="Zoë") as gallery:
        gallery.enroll("Ann", photos_of(0))
        assert write_audit(gallery.audit, out) == 2
        told = [logged.to_dict() for logged in gallery.audit.entries()]
        with pytest.raises(OutputError, match="exists"):
            write_audit(gallery.audit, out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    lines = out.read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == told
    assert [entry["action"] for entry in told] == ["create", "enroll"]
