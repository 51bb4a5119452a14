import io
import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.core.errors import IdentityNotFoundError, OutputError
from vultus.gallery.gallery import Gallery
from vultus.gallery.people.details import Consent, PersonDetails
from vultus.gallery.review.items import Items
from vultus.gallery.upkeep.disclosure import export_person
from vultus.matching.fusion import fuse

PhotosOf = Callable[..., Embeddings]


def test_everything_about_a_person_and_nobody_else(
    tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    out, photos = tmp_path / "ann.zip", photos_of(0, 3)
    details = PersonDetails(
        external_id="E-7",
        metadata={"room": "42", "näme": "Änn"},
        groups=["staff"],
        consent=Consent(given_at="2026-01-01", purpose="door"),
    )
    with Gallery.open(tmp_path / "people.db", space=space, actor="desk") as gallery:
        gallery.enroll("Ann", photos, sources=["1.jpg", "2.jpg", "3.jpg"], details=details)
        gallery.enroll("Bob", photos_of(1))
        gallery.rename("Ann", "Anna")
        files = export_person(gallery, "Anna", out)
        subject = gallery.opened.subject(gallery.person("Anna"))
        other = gallery.opened.subject(gallery.person("Bob"))
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    with zipfile.ZipFile(out) as archive:
        assert archive.testzip() is None
        held = {name: archive.read(name) for name in archive.namelist()}
    assert list(held) == files
    person = json.loads(held["person.json"])
    assert person["identity"] == "Anna"
    assert person["metadata"] == {"room": "42", "näme": "Änn"}
    assert person["consent"]["purpose"] == "door"
    assert (person["external_id"], person["groups"]) == ("E-7", ["staff"])
    assert person["space"]["dim"] == space.dim
    kept = json.loads(held["photos.json"])
    assert [photo["source"] for photo in kept] == ["1.jpg", "2.jpg", "3.jpg"]
    assert [photo["enrolled_by"] for photo in kept] == ["desk"] * 3
    np.testing.assert_array_equal(array(held["vectors.npy"]), photos.vectors)
    template = fuse(photos, identity="Anna", outlier_similarity=-1).template.vector
    np.testing.assert_allclose(array(held["template.npy"]), template, atol=1e-6)
    acts = json.loads(held["audit.json"])
    assert [act["action"] for act in acts] == ["enroll", "rename", "export"]
    assert {act["subject"] for act in acts} == {subject, person["subject"]} == {subject}
    everything = b"".join(held.values())
    assert b"Bob" not in everything
    assert other.encode() not in everything


def test_what_else_is_kept_of_a_person_is_in_it_too(
    tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    out = tmp_path / "ann.zip"
    with Gallery.open(tmp_path / "people.db", space=space) as gallery:
        gallery.enroll("Ann", photos_of(0))
        gallery.enroll("Bob", photos_of(1))
        opened = gallery.opened
        with opened.store.transaction(write=True):
            for name in ("Ann", "Bob"):
                Items(opened, "remark").add({"of": name}, owner=opened.roster.find(name))
        export_person(gallery, "Ann", out)
    with zipfile.ZipFile(out) as archive:
        told = json.loads(archive.read("items/items.json"))
        assert [item["file"] for item in told] == ["items/1-remark.json"]
        assert json.loads(archive.read(told[0]["file"])) == {"of": "Ann"}


def test_nothing_is_replaced_and_who_is_not_enrolled_is_told(
    tmp_path: Path, space: EmbeddingSpace, photos_of: PhotosOf
) -> None:
    out = tmp_path / "ann.zip"
    with Gallery.open(tmp_path / "people.db", space=space) as gallery:
        gallery.enroll("Ann", photos_of(0))
        with pytest.raises(IdentityNotFoundError, match="did you mean 'Ann'"):
            export_person(gallery, "Anne", out)
        assert not out.exists()
        out.write_bytes(b"something else")
        with pytest.raises(OutputError, match="exists"):
            export_person(gallery, "Ann", out)
        assert [e.entry.action for e in gallery.audit.entries()] == ["create", "enroll"]
    assert out.read_bytes() == b"something else"


def array(data: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    loaded = np.load(io.BytesIO(data), allow_pickle=False)
    assert loaded.dtype == np.float32
    return np.asarray(loaded, np.float32)
