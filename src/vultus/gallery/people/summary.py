"""How many people a gallery has and a keyed sum over them, so that a row that is gone is missed.

Sealed rows show when they were changed. That one is missing, or stands as it was before, they
cannot show: for that their number and a sum over all of them are kept, written in the same
transaction as the rows, with a digest that only who can open the gallery makes.
"""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from vultus.core.errors import GalleryDamagedError
from vultus.gallery.people.faces import vector_bytes
from vultus.gallery.security.crypto import Vault
from vultus.gallery.stores.base import GalleryStore
from vultus.gallery.stores.glances import Glance, glance

SUMMARY = "summary"
"""Under which fact it is kept."""
_MODULUS = 1 << 64
_DIGEST_BYTES = 8
_TAG_BYTES = 32


def template_digest(vault: Vault, person_id: int, vector: npt.NDArray[np.float32]) -> int:
    """What one person adds to `Summary.sum`: a number in [0, 2**64).

    Args:
        vault: The gallery's.
        person_id: Whose.
        vector: (dim,) float32, the template.
    """
    return vault.count_digest(person_id.to_bytes(8, "big") + vector_bytes(vector))


def digest_bytes(digest: int) -> bytes:
    """A digest as the log of changes keeps it; `read_digest` reads it."""
    return digest.to_bytes(_DIGEST_BYTES, "big")


def read_digest(data: bytes) -> int:
    """What `digest_bytes` was given; 0 of nothing."""
    return int.from_bytes(data, "big")


@dataclass(frozen=True, slots=True)
class Summary:
    """What all people of a gallery add up to.

    Attributes:
        people_by_faces: Number of photos -> how many people have so many; without zeros.
        sum: Of `template_digest` over all people, modulo 2**64.
        n_without: How many people have no photo of the gallery's model: cannot be found until they
            are photographed again.
    """

    people_by_faces: Mapping[int, int] = field(default_factory=dict)
    sum: int = 0
    n_without: int = 0
    bound: bool = False

    @property
    def n_people(self) -> int:
        """How many people there are."""
        return sum(self.people_by_faces.values()) + self.n_without

    def counted(self, n_faces: int, *, before: int | None) -> "Summary":
        """The same with a person who has ``n_faces`` now (0: is gone), and had ``before``."""
        counts = dict(self.people_by_faces)
        for size, more in ((before, -1), (n_faces, 1)):
            if size:
                counts[size] = counts.get(size, 0) + more
        return replace(self, people_by_faces={n: count for n, count in counts.items() if count})

    def plus(self, digest: int) -> "Summary":
        """The same with a digest more; a negative one is taken away."""
        return replace(self, sum=(self.sum + digest) % _MODULUS)


def read_summary(store: GalleryStore, vault: Vault) -> Summary:
    """The summary as it stands now.

    Raises:
        GalleryDamagedError: If it was changed, or rows were counted otherwise.
    """
    return summary_seen(glance(store, SUMMARY), vault, location=store.location)


def summary_seen(seen: Glance, vault: Vault, *, location: str) -> Summary:
    """The summary of a state of which the fact `SUMMARY` was asked for.

    Args:
        seen: The state.
        vault: The gallery's.
        location: What messages call the gallery.

    Raises:
        GalleryDamagedError: As `read_summary`.
    """
    kept = seen.fact
    tag, data = (b"", b"") if kept is None else (kept[:_TAG_BYTES], kept[_TAG_BYTES:])
    if not hmac.compare_digest(tag, vault.audit_digest(b"summary " + data)):
        raise GalleryDamagedError(
            f"{location} is damaged: its summary was changed; restore a backup"
        )
    values = json.loads(data)
    counts = {int(n_faces): int(n_people) for n_faces, n_people in values["people"]}
    # Who has no photo yet is being enrolled in this very transaction.
    if counts != {n: count for n, count in seen.people_by_faces.items() if n}:
        raise GalleryDamagedError(
            f"{location} is damaged: people are missing or were added; restore a backup"
        )
    return Summary(
        counts,
        int(values["sum"]),
        int(values.get("without", 0)),
        bool(values.get("bound", False)),
    )


def write_summary(store: GalleryStore, vault: Vault, summary: Summary) -> None:
    """Keep it, in the transaction that changed the rows."""
    people = sorted(summary.people_by_faces.items())
    values = {
        "people": people,
        "sum": summary.sum,
        "without": summary.n_without,
        "bound": summary.bound,
    }
    data = json.dumps(values).encode()
    store.set_meta(SUMMARY, vault.audit_digest(b"summary " + data) + data)
