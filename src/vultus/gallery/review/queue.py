"""Faces that nobody could name, kept for somebody to look at, if the gallery allows it."""

import base64
import dataclasses
import hmac
import itertools
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from vultus.core.checks import check_range
from vultus.core.crops import AlignedCrops
from vultus.core.embeddings import Embeddings
from vultus.core.errors import GalleryDamagedError, InputError
from vultus.core.results import Candidate, Identification
from vultus.core.thresholds import Threshold
from vultus.gallery.enrolment import Enrolment
from vultus.gallery.gallery import Gallery
from vultus.gallery.moving.crops import KeptCrop
from vultus.gallery.people.details import PersonDetails
from vultus.gallery.people.faces import read_vector
from vultus.gallery.people.names import normalise_identity
from vultus.gallery.review.items import Items
from vultus.gallery.review.pictures import ReviewCrops, no_crop
from vultus.gallery.review.waiting import doubtful, face_value
from vultus.gallery.security.audit import AuditEntry
from vultus.matching.clustering import cluster

_SETTINGS = "review"
_TAG_BYTES = 32
_SAME_PHOTO = 1 - 1e-5
_LONGEST_DAYS = 3650
SUGGESTIONS = 3
"""People who are suggested for a face, at most."""


@dataclass(frozen=True, slots=True)
class ReviewRules:
    """What a gallery may keep.

    Attributes:
        days: How long a face is kept, above 0; `vultus.gallery.upkeep.retention.expire` deletes it
            then.
        doubtful_within: Faces that were named are kept, too, if their similarity is above the
            threshold by less than this, in [0, 2].
    """

    days: float = 30.0
    doubtful_within: float = 0.0

    def __post_init__(self) -> None:
        check_range("days", self.days, low=0, high=_LONGEST_DAYS, low_open=True)
        check_range("doubtful_within", self.doubtful_within, low=0, high=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewFace:
    """A face that waits.

    Attributes:
        number: What it is called by.
        kept_at: ISO 8601, UTC.
        expires_at: When it is to be deleted.
        source: Where the photo came from, or None.
        quality: In [0, 1], or None.
        suggestions: Who of the people enrolled now is most like it, best first, without those of
            whom somebody said that it is not them.
        has_crop: Whether its aligned face is kept (`ReviewQueue.crop`).
    """

    number: int
    kept_at: str
    expires_at: str | None
    source: str | None
    quality: float | None
    suggestions: tuple[Candidate, ...]
    has_crop: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        told = {name: getattr(self, name) for name in self.__slots__ if name != "suggestions"}
        return {**told, "suggestions": [found.to_dict() for found in self.suggestions]}


class ReviewQueue:
    """The faces of a gallery that wait for somebody to say who they are.

    A gallery keeps none until `allow` is called. Each face is sealed with a key of its own, which
    is destroyed with it.

    Args:
        gallery: The gallery.

    Example::

        queue = ReviewQueue(gallery)
        queue.allow(ReviewRules(days=7))
        queue.offer(faces, gallery.identify(faces, ...), sources=["door.jpg"])
        for face in queue.faces():
            print(face.number, face.source, face.suggestions)
        queue.assign([1], "Ada")
    """

    def __init__(self, gallery: Gallery) -> None:
        self._gallery, self._opened = gallery, gallery.opened
        self._store = gallery.opened.store
        self._waiting = Items(gallery.opened, "review")
        self._denied = Items(gallery.opened, "not this person")
        self._crops = ReviewCrops(gallery)

    def rules(self) -> ReviewRules | None:
        """What may be kept; None for nothing.

        Raises:
            GalleryDamagedError: If what the gallery says was changed.
        """
        kept = self._store.meta(_SETTINGS)
        if kept is None:
            return None
        tag, data = kept[:_TAG_BYTES], kept[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._digest(data)):
            raise GalleryDamagedError(
                f"{self._store.location} is damaged: what it may keep was changed; restore a backup"
            )
        return ReviewRules(**json.loads(data))

    def allow(self, rules: ReviewRules | None = None) -> None:
        """Let the gallery keep faces from now on.

        Args:
            rules: For how long, and which; None takes the defaults.
        """
        data = json.dumps(dataclasses.asdict(ReviewRules() if rules is None else rules)).encode()
        with self._store.transaction(write=True):
            self._store.set_meta(_SETTINGS, self._digest(data) + data)
            self._log("allow review")

    def forbid(self) -> int:
        """Let it keep none any more, and delete those that wait; how many there were."""
        with self._store.transaction(write=True):
            numbers = [row.id for row, _ in self._waiting.all()]
            for number in numbers:
                self._delete(number)
            self._store.set_meta(_SETTINGS, None)
            self._log("forbid review", faces=len(numbers))
        self._store.scrub()
        return len(numbers)

    def offer(
        self,
        probe: Embeddings,
        answers: Sequence[Identification],
        *,
        sources: Sequence[str] | None = None,
        crops: AlignedCrops | None = None,
    ) -> list[int | None]:
        """Keep the faces that are unknown or doubtful, as far as the gallery allows it.

        Faces that the quality gate refused are not kept: nobody could judge them later either.

        Args:
            probe: One row per face.
            answers: Who it is, of each.
            sources: A label per face, or None.
            crops: One per face, kept with it where the gallery keeps crops; or None.

        Returns:
            Under which number each waits; None where it does not. A face that waits already is not
            kept twice.

        Raises:
            InputError: If the lengths differ.
            GallerySpaceError: If the faces are of another space.
        """
        given = [answers, *(some for some in (sources, crops) if some is not None)]
        if any(len(some) != len(probe) for some in given):
            raise InputError(
                "answers, sources and crops must be one per face, got "
                f"{' and '.join(str(len(some)) for some in given)} for {len(probe)}"
            )
        self._gallery.check_space(probe.space)
        rules = self.rules()
        if rules is None:
            return [None] * len(probe)
        wanted = [
            place for place, answer in enumerate(answers) if doubtful(answer, rules.doubtful_within)
        ]
        if not wanted:
            return [None] * len(probe)
        until = datetime.now(UTC) + timedelta(days=rules.days)
        expires_at = until.isoformat(timespec="seconds")
        numbers: list[int | None] = [None] * len(probe)
        with self._store.transaction(write=True):
            waiting = {row.id: self._vector(value) for row, value in self._waiting.all()}
            for place in wanted:
                vector = probe.vectors[place]
                same = [n for n, other in waiting.items() if float(other @ vector) >= _SAME_PHOTO]
                if not same:
                    source = None if sources is None else sources[place]
                    value = face_value(probe, place, source)
                    if crops is not None:
                        crop = KeptCrop(crops.pixels[place], crops.template)
                        value["crop"] = self._crops.add(crop, expires_at=expires_at)
                    same = [self._waiting.add(value, owner=None, expires_at=expires_at)]
                    waiting[same[0]] = vector
                numbers[place] = same[0]
        return numbers

    def __len__(self) -> int:
        return sum(1 for _ in self._waiting.all())

    def faces(self, *, after: int = 0, limit: int | None = None) -> list[ReviewFace]:
        """Who waits, oldest first, with who they may be.

        Args:
            after: Only faces of higher numbers.
            limit: How many at most; None for all.
        """
        with self._store.transaction():
            waiting = list(itertools.islice(self._waiting.all(after=after), limit))
            probe = self._embeddings([value for _, value in waiting])
            suggested = self._suggested(probe)
        return [
            ReviewFace(
                number=row.id,
                kept_at=row.created_at,
                expires_at=row.expires_at,
                source=value["source"],
                quality=value["quality"],
                suggestions=found,
                has_crop=value.get("crop") is not None,
            )
            for (row, value), found in zip(waiting, suggested, strict=True)
        ]

    def embeddings(self, numbers: Sequence[int]) -> Embeddings:
        """The vectors of faces that wait, in the order of the numbers.

        Raises:
            InputError: If one of them does not wait.
        """
        return self._embeddings([self._waiting.read(number) for number in numbers])

    def crop(self, number: int) -> KeptCrop:
        """The crop of a face that waits, to be shown to who reviews.

        Raises:
            InputError: If the face does not wait, or no crop of it is kept.
        """
        with self._store.transaction():
            found = self._crops.read(self._waiting.read(number).get("crop"))
        if found is None:
            raise no_crop(number)
        return found

    def assign(
        self,
        numbers: Collection[int],
        identity: str,
        *,
        details: PersonDetails | None = None,
        force: bool = False,
    ) -> Enrolment:
        """Say who faces are: they become photos of that person, who is enrolled if need be.

        Photos that `Gallery.enroll` leaves out go on waiting.

        Args:
            numbers: Which faces.
            identity: Who it is.
            details: What else to note of the person.
            force: Take faces that are unlike the person's other photos, too.

        Raises:
            InputError: If one of them does not wait, or they contradict each other or the person's
                photos. Nothing is changed.
        """
        chosen = sorted(set(numbers))
        with self._store.transaction(write=True):
            values = [self._waiting.read(number) for number in chosen]
            enrolment = self._gallery.enroll(
                identity,
                self._embeddings(values),
                sources=[value["source"] or "review" for value in values],
                details=details,
                force=force,
            )
            fit = [n for n, why in zip(chosen, enrolment.reasons, strict=True) if not why]
            member = self._opened.roster.find(enrolment.identity)
            for photo, number in enumerate(fit, 0 if member is None else -len(fit)):
                if member is not None:
                    crop = self._waiting.read(number).get("crop")
                    self._crops.give(crop, member, member.record.next_face + photo)
                self._delete(number)
        self._store.scrub()
        return enrolment

    def deny(self, number: int, identity: str) -> None:
        """Say who a face is not: that person is not suggested for it, or for one more like it.

        What was said is kept with the person, and erased with them.

        Raises:
            InputError: If the face does not wait.
            IdentityNotFoundError: If nobody of that name is enrolled.
        """
        name = normalise_identity(identity)
        with self._store.transaction(write=True):
            value = self._waiting.read(number)
            member = self._opened.roster.find(name)
            if member is None:
                self._gallery.person(name)
                raise InputError(f"nobody named {name!r} is enrolled in {self._gallery.location}")
            self._denied.add({"vector": value["vector"]}, owner=member)
            self._log("deny", uid=member.row.uid)

    def dismiss(self, numbers: Collection[int]) -> None:
        """Delete faces.

        Raises:
            InputError: If one of them does not wait; none is deleted then.
        """
        with self._store.transaction(write=True):
            for number in sorted(set(numbers)):
                self._delete(number)
            self._log("dismiss", faces=len(set(numbers)))
        self._store.scrub()

    def groups(self, threshold: Threshold) -> list[tuple[int, ...]]:
        """The faces that wait, by person; the person with the most faces first.

        Args:
            threshold: As `vultus.matching.clustering.cluster` takes it.
        """
        waiting = list(self._waiting.all())
        if not waiting:
            return []
        labels = cluster(
            self._embeddings([value for _, value in waiting]), threshold=threshold
        ).labels
        people: dict[int, list[int]] = {}
        for (row, _), label in zip(waiting, labels.tolist(), strict=True):
            people.setdefault(label, []).append(row.id)
        return sorted((tuple(numbers) for numbers in people.values()), key=lambda n: (-len(n), n))

    def _delete(self, number: int) -> None:
        self._crops.delete(self._waiting.read(number).get("crop"))
        self._waiting.delete(number)

    def _suggested(self, probe: Embeddings) -> Iterator[tuple[Candidate, ...]]:
        denied: dict[str, list[Any]] = {}
        for place, found in enumerate(self._gallery.search(probe, rank=4 * SUGGESTIONS)):
            kept = []
            for candidate in found:
                if candidate.identity not in denied:
                    member = self._opened.roster.find(candidate.identity)
                    said = () if member is None else self._denied.all(owner=member)
                    denied[candidate.identity] = [self._vector(value) for _, value in said]
                others = denied[candidate.identity]
                # More like a face that is somebody else's than like the person.
                if all(float(o @ probe.vectors[place]) <= candidate.similarity for o in others):
                    kept.append(candidate)
            yield tuple(kept[:SUGGESTIONS])

    def _embeddings(self, values: Sequence[dict[str, Any]]) -> Embeddings:
        space = self._gallery.space
        if not values:
            return Embeddings.empty(space)
        quality = [value["quality"] for value in values]
        return Embeddings(
            np.stack([self._vector(value) for value in values]),
            np.array([value["norm"] for value in values], np.float32),
            space,
            None if None in quality else np.array(quality, np.float32),
        )

    def _vector(self, value: dict[str, Any]) -> Any:
        return read_vector(base64.b64decode(value["vector"]), dim=self._gallery.space.dim)

    def _digest(self, data: bytes) -> bytes:
        return self._opened.vault.audit_digest(b"review " + data)

    def _log(self, action: str, *, uid: bytes | None = None, faces: int | None = None) -> None:
        self._opened.audit.append(
            AuditEntry(
                actor=self._opened.actor,
                action=action,
                subject=None if uid is None else self._opened.vault.pseudonym(uid),
                counts={} if faces is None else {"faces": faces},
            )
        )
