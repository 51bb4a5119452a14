import base64
import hmac
import json
import secrets

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from tests.gallery.security.test_sealing import hkdf

from vultus.core.errors import GalleryDamagedError, GalleryError, GalleryKeyError, InputError
from vultus.gallery.security.crypto import ERASED_KEY, WRAPPED_BYTES, PersonKey, Vault
from vultus.gallery.security.key_slots import VaultHeader
from vultus.gallery.security.master_key import MasterKey, ScryptCost
from vultus.gallery.security.sealing import OVERHEAD

CHEAP = ScryptCost(n=2**14)
MASTER = MasterKey(bytes(range(32)))
UID = bytes(range(100, 116))

# Written once by this code: what it sealed must open for ever.
HEADER = (
    '{"format": 1, "gallery_id": "000102030405060708090a0b0c0d0e0f", "plain_key": null, '
    '"secret": "HLmbU999MoE5Msoh86VdzXEvq2UtBcSMyMfCdJlEDXDaKJuoxIDfcahtA4dzV6gt3pGslOW+n2pbu+tf", '
    '"slots": [{"cost": null, "fingerprint": "1ec3f65b3c105ae1", "kind": "key", "salt": null, '
    '"wrapped": "mrcwQdb4MU4BtWWrtGn383/RwdJKB60mcPOEDbqDMZQ+zX8inv+ANe1dopyUbCYtEdxwrc4vznawOpPO"}'
    ', {"cost": null, "fingerprint": "8d39e416314927f2", "kind": "recovery", "salt": null, '
    '"wrapped": "H0T6sDyI5hmbDbhgGggbBBfgunvW6i9oVWcBzHuU5z1hMONGjaC9lW7uH/N40g8Qw8RPDZZ0IreYbq9c"}'
    "]}"
)
RECOVERY = "3XYT-XXU2-4L3I-TQ4L-5WLF-P3QV-E24E-QL4W-YGBG-WF7A"
WRAPPED = bytes.fromhex(
    "1dfe318f0aac00a8909025572d9032ea6e8cf6d013842a28938e1ade325d0753f6b816f5872fbe77e73b6edf40"
    "88a6ca9eb2e977a10edc6bc8b17c42"
)
FACE = bytes.fromhex("6ed0337e693bfeb4524908e9e98a960db3b8c068d2dd23fdb386d0853c4ff79c07db")


def test_what_was_sealed_by_the_first_version_opens() -> None:
    recovery = MasterKey.parse(RECOVERY, source="paper")
    for master in (MASTER, recovery):
        vault = Vault.open(HEADER, master)
        assert vault.person_key(WRAPPED, UID).open("face", 7, FACE) == b"a face"
    assert vault.tag("Ann").hex() == (
        "3e1efb28b705b5ef33755fefd5f62576573463bf51a026bec8c56e00f9587939"
    )
    assert vault.pseudonym(UID) == "a4a1c28a9d812348df803923fd0bb99a"
    assert vault.audit_digest(b"entry").hex() == (
        "6c3c09e5f269f5d478ab7c43b8834bf47e63e0424b044d2ad4f139f37fd4bfb2"
    )
    assert vault.count_digest(b"row") == 915559354829944949
    assert vault.event_tag("Ann") == vault.tag("Ann", kind="event")  # as before there were two


def test_the_whole_hierarchy_agrees_with_one_written_from_its_description() -> None:
    def unwrap(key: bytes, sealed: bytes, place: bytes) -> bytes:
        return AESGCM(key).decrypt(sealed[:12], sealed[12:], place)

    header, domain, gallery = json.loads(HEADER), b"vultus gallery 1", bytes(range(16))
    slot = header["slots"][0]
    wrapping = hkdf(MASTER.secret, gallery, domain + b" wrap by key")
    about = b'{"cost": null, "kind": "key", "salt": null}'
    key = unwrap(
        wrapping, base64.b64decode(slot["wrapped"]), domain + b" gallery key " + gallery + about
    )
    secret = unwrap(key, base64.b64decode(header["secret"]), domain + b" gallery secret " + gallery)
    person = unwrap(key, WRAPPED, domain + b" person key " + gallery + UID)
    place = domain + b" piece " + gallery + UID + b"\x04face" + (7).to_bytes(8, "big")
    assert unwrap(person, FACE, place) == b"a face"
    index = hkdf(secret, gallery, domain + b" index")
    vault = Vault.open(HEADER, MASTER)
    assert vault.tag("Ann") == hmac.digest(index, b"\x04name" + bytes(8) + b"Ann", "sha256")
    audit = hkdf(secret, gallery, domain + b" audit")
    assert vault.audit_digest(b"entry") == hmac.digest(audit, b"entry", "sha256")


@given(
    data=st.binary(max_size=100),
    kind=st.sampled_from(["record", "face"]),
    row=st.integers(0, 2**63 - 1),
)
def test_sealed_and_opened_is_the_same(data: bytes, kind: str, row: int) -> None:
    vault = Vault.create()
    person, wrapped = vault.new_person_key()
    sealed = person.seal(kind, row, data)
    assert len(sealed) == len(data) + OVERHEAD
    assert len(wrapped) == WRAPPED_BYTES
    again = Vault.open(vault.header.to_text()).person_key(wrapped, person.uid)
    assert again.open(kind, row, sealed) == data


def test_every_changed_bit_of_a_piece_or_a_key_is_found() -> None:
    vault = Vault.create()
    person, wrapped = vault.new_person_key(UID)
    sealed = person.seal("face", 3, b"a vector")
    for place in range(len(sealed) * 8):
        with pytest.raises(GalleryDamagedError, match="face was changed"):
            person.open("face", 3, flipped(sealed, place))
    for place in range(len(wrapped) * 8):
        with pytest.raises(GalleryDamagedError, match="key was changed"):
            vault.person_key(flipped(wrapped, place), UID)


@pytest.mark.parametrize(("kind", "row"), [("record", 3), ("face", 4), ("fac", 3), ("face3", 0)])
def test_a_piece_opens_as_its_kind_and_row_only(kind: str, row: int) -> None:
    person, _ = Vault.create().new_person_key()
    sealed = person.seal("face", 3, b"a vector")
    with pytest.raises(GalleryDamagedError):
        person.open(kind, row, sealed)


def test_a_piece_opens_for_its_person_and_gallery_only() -> None:
    key, gallery, uid = secrets.token_bytes(32), bytes(16), bytes(16)
    other = b"\x01" + bytes(15)
    sealed = PersonKey(key, gallery_id=gallery, uid=uid).seal("face", 0, b"a vector")
    # The very key, in another place: only what the piece is bound to tells them apart.
    for wrong in (
        PersonKey(key, gallery_id=other, uid=uid),
        PersonKey(key, gallery_id=gallery, uid=other),
    ):
        with pytest.raises(GalleryDamagedError):
            wrong.open("face", 0, sealed)
    assert PersonKey(key, gallery_id=gallery, uid=uid).open("face", 0, sealed) == b"a vector"


def test_keys_swapped_between_people_or_galleries_are_found() -> None:
    vault = Vault.create(bytes(16), MASTER)
    ann, of_ann = vault.new_person_key()
    bob, of_bob = vault.new_person_key()
    with pytest.raises(GalleryDamagedError, match="another person or gallery"):
        vault.person_key(of_bob, ann.uid)
    elsewhere = Vault.create(bytes(16), MASTER)  # even of one id
    with pytest.raises(GalleryDamagedError, match="another person or gallery"):
        elsewhere.person_key(of_ann, ann.uid)
    assert vault.person_key(of_bob, bob.uid).uid == bob.uid


def test_an_erased_key_is_told_as_such() -> None:
    with pytest.raises(GalleryDamagedError, match="was erased"):
        Vault.create().person_key(ERASED_KEY, UID)


@pytest.mark.parametrize("master", [MASTER, MasterKey.from_passphrase("five good words"), None])
def test_only_the_master_key_opens_it(master: MasterKey | None) -> None:
    text = Vault.create(master=master, cost=CHEAP).header.to_text()
    assert Vault.open(text, master).protected is (master is not None)
    wrong = [MasterKey.new(), MasterKey.from_passphrase("five good word"), None]
    for other in wrong if master is not None else wrong[:2]:
        with pytest.raises(GalleryKeyError):
            Vault.open(text, other)


def test_a_gallery_without_its_key_tells_how_to_give_one() -> None:
    header = Vault.create(master=MASTER).header
    with pytest.raises(GalleryKeyError, match=r"opened by a key file; give --key FILE, set VULTUS"):
        Vault.open(header)
    with pytest.raises(GalleryKeyError, match="opened by a key file, got a passphrase"):
        Vault.open(header, MasterKey.from_passphrase("five good words"))
    with pytest.raises(GalleryKeyError, match="has no master key"):
        Vault.open(Vault.create().header, MASTER)


def test_a_master_key_gives_each_gallery_another_wrapping() -> None:
    fingerprints = {Vault.create(master=MASTER).header.slots[0].fingerprint for _ in range(3)}
    assert len(fingerprints) == 3


@pytest.mark.parametrize("master", [MASTER, None, MasterKey.from_passphrase("five good words")])
def test_no_changed_header_opens(master: MasterKey | None) -> None:
    text = Vault.create(master=master, cost=CHEAP).header.to_text()
    whole = Vault.open(text, master)
    step = (
        31 if master is not None and master.kind == "passphrase" else 1
    )  # a passphrase is slow on purpose
    for place in range(0, len(text), step):
        digit = "1" if text[place] != "1" else "2"
        changed = text[:place] + digit + text[place + 1 :]
        try:
            opened = Vault.open(changed, master)
        except GalleryError:
            continue
        # Bits of base64 and letters' cases that mean nothing may differ; keys and id may not.
        assert opened.tag("Ann") == whole.tag("Ann")
        assert opened.gallery_id == whole.gallery_id


def test_a_damaged_header_shows_no_key() -> None:
    header = Vault.create().header
    assert header.plain_key is not None
    text = header.to_text().replace('"plain_key"', '"plain_kex"')
    with pytest.raises(GalleryDamagedError) as caught:
        Vault.open(text)
    assert header.plain_key not in str(caught.value)
    assert str(caught.value) == "the gallery's header is damaged; restore a backup"
    for broken in ("", "[]", "{", '{"format": 2}'):
        with pytest.raises(GalleryDamagedError):
            VaultHeader.from_text(broken)


def test_a_new_master_key_opens_the_same_rows_and_the_old_one_does_not() -> None:
    vault = Vault.create(master=MASTER)
    person, wrapped = vault.new_person_key()
    sealed = person.seal("face", 0, b"a vector")
    new = MasterKey.new()
    rotated = Vault.open(vault.rewrapped(new).header.to_text(), new)
    assert rotated.person_key(wrapped, person.uid).open("face", 0, sealed) == b"a vector"
    assert rotated.tag("Ann") == vault.tag("Ann")
    assert rotated.audit_digest(b"x") == vault.audit_digest(b"x")
    with pytest.raises(GalleryKeyError, match="not the gallery's key"):
        Vault.open(rotated.header, MASTER)


def test_a_vault_knows_whether_its_gallery_was_renewed_meanwhile() -> None:
    vault = Vault.create(master=MASTER)
    rotated, renewed = vault.rewrapped(MasterKey.new()), vault.renewed(MASTER)
    assert vault.is_of(vault.header.to_text())
    assert vault.is_of(rotated.header.to_text())
    assert rotated.is_of(vault.rewrapped(None).header.to_text())
    assert not vault.is_of(renewed.header.to_text())
    assert not renewed.is_of(vault.header.to_text())


def test_a_renewed_vault_opens_no_old_row_and_is_opened_by_no_old_gallery_key() -> None:
    vault = Vault.create()
    person, wrapped = vault.new_person_key()
    sealed = person.seal("face", 0, b"a vector")
    renewed = Vault.open(vault.renewed(MASTER).header, MASTER)
    assert renewed.header.plain_key is None
    with pytest.raises(GalleryDamagedError):
        renewed.person_key(wrapped, person.uid)
    kept = vault.rewrapped_person_key(wrapped, person.uid, into=renewed)
    with pytest.raises(GalleryDamagedError):
        vault.person_key(kept, person.uid)
    assert renewed.person_key(kept, person.uid).open("face", 0, sealed) == b"a vector"
    assert vault.rewrapped_person_key(ERASED_KEY, UID, into=renewed) == ERASED_KEY
    again = Vault.open(renewed.renewed(MASTER).header.to_text(), MASTER)
    for later in (renewed, again):
        assert later.pseudonym(UID) == vault.pseudonym(UID)
        assert later.audit_digest(b"entry") == vault.audit_digest(b"entry")
        assert later.event_tag("e1") == vault.event_tag("e1")
    assert len({made.tag("Ann") for made in (vault, renewed, again)}) == 3
    assert len({made.count_digest(b"row") for made in (vault, renewed, again)}) == 3
    with pytest.raises(InputError, match="same gallery"):
        vault.rewrapped_person_key(wrapped, person.uid, into=Vault.create())


def test_a_recovery_key_opens_until_another_is_made_or_the_vault_is_renewed() -> None:
    vault, first = Vault.create(master=MASTER).with_recovery()
    assert Vault.open(vault.header, first).tag("Ann") == vault.tag("Ann")
    new = MasterKey.new()
    rotated = vault.rewrapped(new)
    assert Vault.open(rotated.header.to_text(), first).tag("Ann") == vault.tag("Ann")
    again, second = rotated.with_recovery()
    assert len(again.header.slots) == 2
    Vault.open(again.header, second)
    Vault.open(again.header, new)
    for header, key in ((again.header, first), (again.renewed(new).header, second)):
        with pytest.raises(GalleryKeyError):
            Vault.open(header, key)
    assert again.rewrapped(None).header.slots == ()


def test_a_recovery_key_rules_no_gallery() -> None:
    with pytest.raises(InputError, match="recovery key cannot be the master key"):
        Vault.create(master=MasterKey.new_recovery())
    with pytest.raises(GalleryKeyError, match="needs no recovery key"):
        Vault.create().with_recovery()


def test_tags_pseudonyms_and_counts_tell_apart() -> None:
    vault, other = Vault.create(), Vault.create()
    assert vault.tag("Ann") == vault.tag("Ann") != vault.tag("Anne")
    assert vault.tag("Ann") != vault.tag("Ann", kind="external id")
    assert vault.tag("Ann") != other.tag("Ann")
    assert vault.pseudonym(UID) != other.pseudonym(UID)
    assert vault.count_digest(b"a") != vault.count_digest(b"b")
    assert 0 <= vault.count_digest(b"a") < 2**64


def test_nothing_printed_shows_a_key() -> None:
    vault = Vault.create()
    person, _ = vault.new_person_key()
    plain = str(vault.header.plain_key)
    for shown in (repr(vault), repr(person), repr(vault.header), repr(MASTER)):
        assert plain not in shown
        assert MASTER.secret.hex() not in shown
    assert repr(MASTER) == "MasterKey(kind='key')"


@pytest.mark.parametrize(("kind", "row"), [("", 0), ("é", 0), ("x" * 33, 0), ("face", -1)])
def test_kind_and_row_are_checked(kind: str, row: int) -> None:
    person, _ = Vault.create().new_person_key()
    with pytest.raises(InputError, match="kind must be"):
        person.seal(kind, row, b"")


def test_ids_are_checked() -> None:
    with pytest.raises(InputError, match="gallery_id must have 16 bytes"):
        Vault.create(b"short")
    with pytest.raises(InputError, match="uid must have 16 bytes"):
        Vault.create().new_person_key(b"short")


def flipped(data: bytes, place: int) -> bytes:
    changed = bytearray(data)
    changed[place // 8] ^= 1 << place % 8
    return bytes(changed)
