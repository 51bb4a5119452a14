"""What is fixed when a gallery is made, and the making: keys, first facts, first audit entry."""

import hmac
import json
from dataclasses import dataclass

from vultus.core.embeddings import EmbeddingSpace
from vultus.core.errors import GalleryDamagedError, GalleryKeyError, GallerySpaceError
from vultus.gallery.people.summary import Summary, write_summary
from vultus.gallery.security.audit import AuditEntry, AuditLog
from vultus.gallery.security.crypto import Vault
from vultus.gallery.security.master_key import MasterKey
from vultus.gallery.stores.base import GalleryStore
from vultus.matching.fusion import chance_similarity

_VAULT, _DESCRIPTION = "vault", "description"
_TAG_BYTES = 32


@dataclass(frozen=True, slots=True)
class Description:
    """What is fixed when a gallery is made, until it is brought to another model.

    Attributes:
        space: Of the embeddings.
        outlier_similarity: In [-1, 1]; two photos less alike than this are not of one person.
        generation: How often the gallery was brought to another model. Vectors are sealed for one
            generation, so that none is ever read as one of another space.
    """

    space: EmbeddingSpace
    outlier_similarity: float
    generation: int = 0

    @classmethod
    def of(cls, space: EmbeddingSpace, outlier_similarity: float | None) -> "Description":
        """With `chance_similarity` where no similarity is given."""
        if outlier_similarity is None:
            outlier_similarity = chance_similarity(space.dim)
        return cls(space, float(outlier_similarity))


def is_founded(store: GalleryStore) -> bool:
    """Whether a store holds a gallery; else it was made just now, or its maker was killed."""
    return store.meta(_VAULT) is not None


def found(
    store: GalleryStore, description: Description, *, master: MasterKey | None, actor: str
) -> Vault:
    """Make a gallery of an empty store; call it in a writing transaction.

    Args:
        store: The store.
        description: What is fixed.
        master: What will open the gallery; None protects nobody from who can read the file.
        actor: Who makes it, for the audit log.
    """
    vault = Vault.create(master=master)
    write_vault(store, vault)
    write_description(store, vault, description)
    write_summary(store, vault, Summary())
    AuditLog(store, vault).append(
        AuditEntry(actor=actor, action="create", model=description.space.model)
    )
    return vault


def open_vault(store: GalleryStore, master: MasterKey | None) -> Vault:
    """The vault of a gallery that is there.

    Raises:
        GalleryKeyError: If a key is needed and missing or wrong, or given and not needed.
        GalleryDamagedError: If its header was changed.
    """
    return Vault.open(read_header(store), master)


def read_header(store: GalleryStore) -> str:
    """The vault's header as it is stored now; changed when another process changed the key.

    Raises:
        GalleryDamagedError: If it is no text.
    """
    try:
        return (store.meta(_VAULT) or b"").decode()
    except UnicodeDecodeError as error:
        raise GalleryDamagedError(
            f"{store.location} is damaged: its keys cannot be read; restore a backup"
        ) from error


def check_vault(store: GalleryStore, vault: Vault) -> None:
    """Refuse to go on with keys that were replaced: what they seal could not be opened again.

    Raises:
        GalleryKeyError: If another process made the gallery's own key anew.
    """
    if not vault.is_of(read_header(store)):
        raise GalleryKeyError(
            f"{store.location} was given another key meanwhile; open it again, with that key"
        )


def write_vault(store: GalleryStore, vault: Vault) -> None:
    """Keep the header of a vault, in a writing transaction."""
    store.set_meta(_VAULT, vault.header.to_text().encode())


def read_description(store: GalleryStore, vault: Vault) -> Description:
    """What was fixed when the gallery was made.

    Raises:
        GalleryDamagedError: If it was changed.
    """
    kept = store.meta(_DESCRIPTION) or b""
    tag, data = kept[:_TAG_BYTES], kept[_TAG_BYTES:]
    if not hmac.compare_digest(tag, vault.audit_digest(b"description " + data)):
        raise GalleryDamagedError(
            f"{store.location} is damaged: its description was changed; restore a backup"
        )
    values = json.loads(data)
    return Description(
        EmbeddingSpace(**values["space"]),
        float(values["outlier_similarity"]),
        int(values.get("generation", 0)),
    )


def check_generation(store: GalleryStore, vault: Vault, generation: int) -> None:
    """Refuse to go on with vectors of a model that the gallery was brought away from.

    Raises:
        GallerySpaceError: If another process finished that.
    """
    now = read_description(store, vault)
    if now.generation != generation:
        raise GallerySpaceError(
            f"{store.location} was brought to the model {now.space.model} meanwhile; open it again "
            "with that model"
        )


def write_description(store: GalleryStore, vault: Vault, description: Description) -> None:
    """Keep it, in a writing transaction."""
    values = {
        "space": description.space.to_dict(),
        "outlier_similarity": description.outlier_similarity,
        "generation": description.generation,
    }
    data = json.dumps(values).encode()
    store.set_meta(_DESCRIPTION, vault.audit_digest(b"description " + data) + data)
