"""What people are looked up by: keyed digests of name and id elsewhere."""

from typing import TypedDict

from vultus.gallery.people.details import Record
from vultus.gallery.security.crypto import Vault

_EXTERNAL = "external id"


class Tags(TypedDict):
    """As the fields of `vultus.gallery.stores.base.PersonRow`."""

    name_tag: bytes
    external_tag: bytes | None


def external_tag(vault: Vault, external_id: str) -> bytes:
    """Of an id elsewhere."""
    return vault.tag(external_id, kind=_EXTERNAL)


def tags_of(vault: Vault, record: Record) -> Tags:
    """Of somebody."""
    external = record.external_id
    return {
        "name_tag": vault.tag(record.name),
        "external_tag": None if external is None else external_tag(vault, external),
    }
