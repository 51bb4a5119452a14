"""Who is erased while a gallery goes to another model leaves no byte, of neither model."""

import random
from pathlib import Path

import pytest
from tests.gallery.moving.two_models import (
    NEW,
    OLD,
    begun,
    check_found,
    crops_of,
    embed,
    embed_new,
    enrol,
)
from tests.gallery.rounds import rounds

from vultus.core.errors import IdentityNotFoundError
from vultus.gallery.gallery import Gallery
from vultus.gallery.moving.crops import CROP, KeptCrop, KeptCrops
from vultus.gallery.moving.migration import Migration
from vultus.gallery.moving.next_faces import NEXT
from vultus.gallery.review.merging import merge
from vultus.gallery.searching import templates
from vultus.gallery.security.master_key import MasterKey

KEYS = pytest.mark.parametrize("key", [None, MasterKey(bytes(range(32)))], ids=["plain", "key"])
SEALED = {"key", "name's tag", "sealed face", "sealed template", "sealed crop", "sealed next face"}
"""What is found in the files before the erasure: else the search would prove nothing."""


def secrets_of(gallery: Gallery, person: int) -> dict[str, bytes]:
    """What must not stay of somebody, by what it is."""
    opened, name = gallery.opened, f"person {person}"
    member = opened.roster.find(name)
    assert member is not None
    template = opened.store.template(member.id)
    assert template is not None
    secrets = {
        "name": name.encode(),
        "name's tag": member.row.name_tag,
        "key": template.key,
        "template": opened.roster.template(template).tobytes(),
        "sealed template": template.body,
        "sealed record": member.row.record,
        "sealed face": opened.store.faces(member.id)[0].body,
        "picture": KeptCrop(crops_of(person).pixels[0], "any").to_dict()["png"].encode(),
    }
    for space in (OLD, NEW):
        secrets[f"vector, {space.model}"] = embed(crops_of(person), space).vectors[0].tobytes()
    for kind, called in ((CROP, "sealed crop"), (NEXT, "sealed next face")):
        for row in opened.store.items(kind, key_id=member.id):
            secrets[called] = row.body
    return secrets


def found_in(folder: Path, secrets: list[dict[str, bytes]]) -> set[str]:
    """Which kinds of secrets are somewhere in the files of a folder."""
    content = b"\0".join(file.read_bytes() for file in sorted(folder.iterdir()))
    return {kind for held in secrets for kind, secret in held.items() if secret in content}


def left_in(folder: Path, secrets: list[dict[str, bytes]]) -> set[str]:
    """Which kinds of secrets can still be read.

    SQLite leaves copies of sealed rows behind where it moves them to another page; without their
    key, of which no copy may be left, nobody can tell them from random bytes.
    """
    return {kind for kind in found_in(folder, secrets) if not kind.startswith("sealed")}


def erase_on_the_way(folder: Path, key: MasterKey | None, times: int) -> None:
    """Enrol, embed, photograph again, merge and erase at random; then switch and look again."""
    rng, people, gone = random.Random(0), 30, list[dict[str, bytes]]()
    path, seen = folder / "g.db", set[str]()
    with Gallery.open(path, space=OLD, outlier_similarity=0.5, key=key) as gallery:
        KeptCrops(gallery).allow()
        for person in range(people):
            enrol(gallery, person)
        here, migration = list(range(people)), begun(gallery)
        while len(gone) < times:
            for _ in range(5):  # as many as go
                enrol(gallery, people)
                here.append(people)
                people += 1
            migration.embed_crops(embed_new)
            gallery.search(embed(crops_of(here[0]), OLD))
            again, other, *leaving = rng.sample(here, 5)
            photos = crops_of(again, 1, first=5)
            migration.enroll(f"person {again}", embed_new(photos), crops=photos)
            held = [secrets_of(gallery, person) for person in (again, other, *leaving)]
            seen |= found_in(folder, held)
            merge(gallery, f"person {other}", f"person {again}")
            for person in (again, *leaving):
                receipt = gallery.remove(f"person {person}")
                # Two crops and faces; of one person, those of both and what was photographed again.
                assert receipt.rows["items"] == (11 if person == again else 4)
                assert receipt.scrubbed
            here = [person for person in here if person not in {again, other, *leaving}]
            gone += held
            assert left_in(folder, held) == set()
        gallery.backup(folder / "backup.db")
        assert left_in(folder, gone) == set()
        migration.finish()
    assert seen >= SEALED
    with Gallery.open(path, key=key) as gallery:
        check_found(gallery, here)
        assert len(gallery) == len(here)
        assert (gallery.check(), left_in(folder, gone)) == ([], set())


@KEYS
def test_who_is_erased_on_the_way_leaves_no_byte(
    tmp_path: Path, key: MasterKey | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates, "WORTH_A_FILE", 10)  # so that there is a file of the index
    erase_on_the_way(tmp_path, key, 20)
    assert key is not None or (tmp_path / "g.db-index").exists()


@pytest.mark.slow
@pytest.mark.timeout(7200)
@KEYS
def test_many_who_are_erased_on_the_way_leave_no_byte(
    tmp_path: Path, key: MasterKey | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates, "WORTH_A_FILE", 10)
    erase_on_the_way(tmp_path, key, rounds(100))


def test_who_is_erased_while_the_next_model_looks_is_not_kept(tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "g.db", space=OLD, outlier_similarity=0.5) as gallery:
        KeptCrops(gallery).allow()
        for person in range(3):
            enrol(gallery, person)
        held = secrets_of(gallery, 1)

        def look(crops):  # type: ignore[no-untyped-def]
            with Gallery.open(gallery.path) as other:
                other.remove("person 1")
            return embed_new(crops)

        assert begun(gallery).embed_crops(look) == 4
        assert found_in(tmp_path, [held]) == set()
        with pytest.raises(IdentityNotFoundError):
            Migration(gallery).enroll("person 1", embed_new(crops_of(1)))
        assert Migration(gallery).finish().people == 2
    with Gallery.open(tmp_path / "g.db") as gallery:
        check_found(gallery, [0, 2])
        assert (gallery.check(), found_in(tmp_path, [held])) == ([], set())
