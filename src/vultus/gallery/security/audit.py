"""The audit log of a gallery: who did and decided what, in a chain that shows what was changed.

An entry tells time, actor, action, the person's pseudonym, decision, threshold, model and size of
the gallery: no name, photo or vector, so that it may outlive the person. Its digest is an
HMAC-SHA-256 over the digest before it and the entry, with a key that only who can open the gallery
has. The last position and digest stand once more, with a digest of their own, as the head.

What the chain shows: an entry changed, put in, taken out or moved, and entries cut off the end.
What it cannot show by itself: that the whole gallery was replaced by an older copy, whose chain is
whole; and what somebody rewrote who can open the gallery (without a master key: who can read and
write its file). Against both, keep heads elsewhere (`AuditHead.to_text`: on paper, in another
system) and let `AuditLog.verify` look for them.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from vultus.core.checks import check_range
from vultus.core.errors import ConfigError, GalleryDamagedError, InputError
from vultus.core.progress import Progress
from vultus.core.settings_reader import read
from vultus.gallery.security.crypto import Vault
from vultus.gallery.stores.base import PAGE, AuditRow, GalleryStore

HEAD = "audit_head"
"""Key of the head among the gallery's facts."""

Fault = Literal["changed", "moved", "removed", "cut off", "added", "rewritten"]

_START = bytes(32)
_WORDS = re.compile(r"[a-z][a-z -]{0,39}")
_PSEUDONYM = re.compile(r"[0-9a-f]{32}")
_TEXT = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{1,200}")
_LOOK = "`vultus gallery audit verify` says where; restore a backup"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """What is told of one act. No name of a person enrolled, no photo, no vector.

    Attributes:
        actor: Who did it: a user, a service, the id of a key; 1 to 200 characters.
        action: What, e.g. ``"enroll"``, ``"identify"``: up to 40 of a-z, blank and -.
        subject: `Vault.pseudonym` of the person whom it is about, or None.
        decision: What came out, e.g. ``"accepted"``, ``"unknown"``; as ``action``, or None.
        similarity: What was decided by, in [-1, 1], or None.
        threshold: Similarity at which the decision changes, or None.
        fpir: What the threshold was to keep, in (0, 1), or None.
        model: Of the embeddings, or None.
        gallery_size: How many people were enrolled, or None.
        counts: Further numbers, by name: rows erased, photos refused.
    """

    actor: str
    action: str
    subject: str | None = None
    decision: str | None = None
    similarity: float | None = None
    threshold: float | None = None
    fpir: float | None = None
    model: str | None = None
    gallery_size: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check("actor", self.actor, _TEXT, "1 to 200 characters, none a control character")
        for name in ("action", "decision"):
            _check(name, getattr(self, name), _WORDS, "up to 40 of a-z, blank and -")
        _check("subject", self.subject, _PSEUDONYM, "a pseudonym of 32 hexadecimal digits")
        _check("model", self.model, _TEXT, "1 to 200 characters, none a control character")
        for name in ("similarity", "threshold"):
            if getattr(self, name) is not None:
                # Of float32 unit vectors the product may be a little above 1.
                check_range(name, getattr(self, name), low=-1.001, high=1.001)

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON; what is not known is left out."""
        return {name: value for name, value in asdict(self).items() if value not in (None, {})}


@dataclass(frozen=True, slots=True)
class AuditHead:
    """A place in the chain; who keeps it elsewhere can show later that all before it is unchanged.

    Attributes:
        position: Of an entry, from 1.
        digest: Of that entry, 32 bytes.
    """

    position: int
    digest: bytes

    def to_text(self) -> str:
        """``POSITION:DIGEST``, the digest in hexadecimal."""
        return f"{self.position}:{self.digest.hex()}"

    @classmethod
    def parse(cls, text: str) -> "AuditHead":
        """What `to_text` gave.

        Raises:
            ConfigError: If it is no such text.

        Example:
            >>> AuditHead.parse(f"7:{'ab' * 32}").position
            7
        """
        found = re.fullmatch(r"([1-9][0-9]{0,17}):([0-9a-f]{64})", text.strip().lower())
        if found is None:
            raise ConfigError(
                "a head of the audit log must be POSITION:DIGEST as `vultus gallery audit head` "
                f"prints it, got {text[:100]!r}"
            )
        return cls(int(found[1]), bytes.fromhex(found[2]))


@dataclass(frozen=True, slots=True)
class LoggedEntry:
    """An entry as it stands in the log.

    Attributes:
        head: Position and digest.
        at: When, ISO 8601, UTC, by the clock of the machine.
        entry: What.
    """

    head: AuditHead
    at: str
    entry: AuditEntry

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        place = {"position": self.head.position, "at": self.at}
        return {**place, **self.entry.to_dict(), "digest": self.head.digest.hex()}


@dataclass(frozen=True, slots=True)
class AuditVerdict:
    """Whether the log is as it was written.

    Attributes:
        n_entries: How many entries are sound, from the first on.
        head: The last of them, or None.
        fault: The kind of the first fault, or None.
        message: The first fault in words, or "".
    """

    n_entries: int
    head: AuditHead | None
    fault: Fault | None = None
    message: str = ""

    @property
    def sound(self) -> bool:
        """Whether there is no fault."""
        return self.fault is None

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        head = None if self.head is None else self.head.to_text()
        told = {"sound": self.sound, "entries": self.n_entries, "head": head}
        return told if self.sound else {**told, "fault": self.fault, "message": self.message}


class AuditLog:
    """The log of one gallery.

    Args:
        store: Where the entries are kept.
        vault: What makes the digests.
    """

    def __init__(self, store: GalleryStore, vault: Vault) -> None:
        self._store = store
        self._vault = vault

    def append(self, entry: AuditEntry, *, at: datetime | None = None) -> AuditHead:
        """Add an entry; call it inside the writing transaction of what it tells.

        A new gallery's first transaction adds its first entry, so that an empty log is a fault.

        Args:
            entry: What to tell.
            at: When it happened, with a time zone; None for now.

        Returns:
            Where it stands in the chain: for receipts.

        Raises:
            GalleryDamagedError: If the end of the log was cut off or changed, which going on would
                hide.
        """
        head, last = self.head(), self._store.last_audit()
        if (None if last is None else AuditHead(last.position, last.digest)) != head:
            raise GalleryDamagedError(f"the audit log does not end where it did; {_LOOK}")
        position = 1 if head is None else head.position + 1
        when = datetime.now(UTC) if at is None else at.astimezone(UTC)
        text = json.dumps(
            {"position": position, **entry.to_dict()},
            sort_keys=True,
            ensure_ascii=False,
            allow_nan=False,
            separators=(",", ":"),
        )
        row = AuditRow(position, when.isoformat(timespec="milliseconds"), text.encode(), b"")
        digest = self._digest(_START if head is None else head.digest, row)
        self._store.append_audit(AuditRow(row.position, row.at, row.entry, digest))
        new = AuditHead(position, digest)
        self._store.set_meta(HEAD, _packed(new) + self._head_digest(new))
        return new

    def head(self) -> AuditHead | None:
        """The end of the log as it was last written; None before the first entry.

        Raises:
            GalleryDamagedError: If it was changed.
        """
        kept = self._store.meta(HEAD)
        if kept is None:
            return None
        head = AuditHead(int.from_bytes(kept[:8], "big"), kept[8:40])
        if kept != _packed(head) + self._head_digest(head):
            raise GalleryDamagedError(f"the head of the audit log was changed; {_LOOK}")
        return head

    def entries(
        self,
        *,
        after: int = 0,
        last: int | None = None,
        subject: str | None = None,
        actions: Sequence[str] = (),
    ) -> Iterator[LoggedEntry]:
        """Entries in order, read in pages; `verify` says whether they are as they were written.

        Args:
            after: Only positions above this.
            last: Only so many positions at the end.
            subject: Only this pseudonym's.
            actions: Only these; empty for all.

        Raises:
            GalleryDamagedError: If an entry cannot be read.
        """
        if last is not None:
            end = self._store.last_audit()
            after = max(after, 0 if end is None else end.position - last)
        while rows := self._store.audit(after=after, limit=PAGE):
            for row in rows:
                logged = _logged(row)
                if subject in (None, logged.entry.subject) and (
                    not actions or logged.entry.action in actions
                ):
                    yield logged
            after = rows[-1].position

    def verify(
        self, expect: Sequence[AuditHead] = (), *, progress: Progress | None = None
    ) -> AuditVerdict:
        """Whether every entry is there, unchanged and in its place; names the first that is not.

        Reads a page at a time, so that a log of any length fits.

        Args:
            expect: Heads that were kept elsewhere and must be in the chain.
            progress: Told how many entries are done.
        """
        wanted: dict[int, set[bytes]] = {}
        for told in expect:
            wanted.setdefault(told.position, set()).add(told.digest)
        head: AuditHead | None = None
        while True:
            with self._store.transaction():
                done = 0 if head is None else head.position
                rows, end = self._store.audit(after=done, limit=PAGE), self._store.last_audit()
                if not rows:
                    return self._ended(head, wanted)
            for row in rows:
                verdict = self._judged(row, head, wanted)
                if verdict is not None:
                    return verdict
                head = AuditHead(row.position, row.digest)
            if progress is not None and end is not None:
                progress("verifying", rows[-1].position, end.position)

    def _judged(
        self, row: AuditRow, before: AuditHead | None, wanted: Mapping[int, set[bytes]]
    ) -> AuditVerdict | None:
        """What is wrong with an entry after a sound one; None if nothing is."""
        sound = 0 if before is None else before.position
        digest = self._digest(_START if before is None else before.digest, row)
        if row.position != sound + 1 or row.digest != digest:
            return AuditVerdict(sound, before, *self._fault(row, sound + 1))
        if wanted.get(row.position, {digest}) != {digest}:
            message = (
                f"entry {row.position} has another digest than was told elsewhere: the log was "
                "written anew up to here by somebody who can open the gallery, or is another's"
            )
            return AuditVerdict(sound, before, "rewritten", message)
        return None

    def _fault(self, row: AuditRow, due: int) -> tuple[Fault, str]:
        if row.position != due:
            missing = (
                f"entry {due} is"
                if row.position == due + 1
                else f"entries {due} to {row.position - 1} are"
            )
            return "removed", f"{missing} missing"
        stood = _inner_position(row)
        if stood is None or stood == due:
            return "changed", f"entry {due} was changed"
        if stood < due:
            return "added", f"a copy of entry {stood} stands in the place of entry {due}"
        if self._find(due) is None:
            return "removed", f"entry {due} is missing, entry {stood} stands in its place"
        return "moved", f"entry {stood} stands in the place of entry {due}"

    def _find(self, position: int) -> int | None:
        """Where an entry stands that was written at ``position``."""
        after = 0
        while rows := self._store.audit(after=after, limit=PAGE):
            for row in rows:
                if _inner_position(row) == position:
                    return row.position
            after = rows[-1].position
        return None

    def _ended(self, last: AuditHead | None, wanted: Mapping[int, set[bytes]]) -> AuditVerdict:
        """The verdict on where the log ends, all entries being sound."""
        n_entries = 0 if last is None else last.position
        try:
            head = self.head()
        except GalleryDamagedError:
            message = "the head was changed; entries may have been cut off the end"
            return AuditVerdict(n_entries, last, "changed", message)
        told = max([0 if head is None else head.position, *wanted])
        if head is None or told > n_entries:
            message = (
                "the head is missing; entries may have been cut off the end"
                if head is None
                else f"the log ends at entry {n_entries}, but there was entry {told}"
            )
            return AuditVerdict(n_entries, last, "cut off", message)
        if head != last:
            message = f"the log ended at entry {head.position}, but goes on to entry {n_entries}"
            return AuditVerdict(n_entries, last, "added", message)
        return AuditVerdict(n_entries, last)

    def _digest(self, before: bytes, row: AuditRow) -> bytes:
        at = row.at.encode()
        place = row.position.to_bytes(8, "big") + len(at).to_bytes(2, "big")
        return self._vault.audit_digest(b"entry" + before + place + at + row.entry)

    def _head_digest(self, head: AuditHead) -> bytes:
        return self._vault.audit_digest(b"head" + _packed(head))


def _packed(head: AuditHead) -> bytes:
    return head.position.to_bytes(8, "big") + head.digest


def _logged(row: AuditRow) -> LoggedEntry:
    where = f"entry {row.position} of the audit log"
    try:
        values = json.loads(row.entry)
        values.pop("position")
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError) as error:
        raise GalleryDamagedError(f"{where} was changed; restore a backup") from error
    entry = read(AuditEntry, values, source=where, error=GalleryDamagedError)
    return LoggedEntry(AuditHead(row.position, row.digest), row.at, entry)


def _inner_position(row: AuditRow) -> int | None:
    """Where the entry itself says that it stands."""
    try:
        position = json.loads(row.entry)["position"]
    except (ValueError, RecursionError, TypeError, KeyError):
        return None
    return position if isinstance(position, int) else None


def _check(name: str, value: object, pattern: re.Pattern[str], must: str) -> None:
    if value is None and name != "actor" and name != "action":
        return
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise InputError(f"{name} must be {must}, got {str(value)[:80]!r}")
