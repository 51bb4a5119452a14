"""Records side by side: one group a protocol, one label a model."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vultus.core.errors import InputError
from vultus.evaluation.protocols.figures import Setting, to_json
from vultus.evaluation.report.record import EvaluationRecord

FORMAT = "vultus-report-1"


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One model on one protocol.

    Attributes:
        label: What tables and figures call it; the same on every protocol.
        record: What was measured.
    """

    label: str
    record: EvaluationRecord


@dataclass(frozen=True, slots=True, eq=False)
class ProtocolGroup:
    """All models on one protocol.

    Attributes:
        protocol: Its name.
        entries: In the order given; labels differ.
        warnings: Why the figures may not be comparable, in sentences.
    """

    protocol: str
    entries: tuple[Entry, ...]
    warnings: tuple[str, ...]


HEADLINES = (
    "protocol", "model", "accuracy", "far", "tar_at_far", "equal_error_rate", "area_under_curve",
    "n_genuine", "n_impostor", "n_photos", "failures",
)  # fmt: skip
"""What `Comparison.headlines` tells of a model on a protocol."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """What a report tells.

    Attributes:
        title: Of the page.
        created: When, ISO 8601 in UTC.
        version: Of Vultus that made it.
        groups: One a protocol, in the order given.
    """

    title: str
    created: str
    version: str
    groups: tuple[ProtocolGroup, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels, each once, in the order of their first appearance."""
        entries = (entry for group in self.groups for entry in group.entries)
        return tuple(dict.fromkeys(entry.label for entry in entries))

    def headlines(self) -> Iterator[tuple[str | float | None, ...]]:
        """One row a model and protocol: `HEADLINES`, None for what was not measured."""
        for group in self.groups:
            for entry in group.entries:
                result = entry.record.result
                figures = (getattr(result, name) for name in HEADLINES[2:])
                yield (group.protocol, entry.label, *figures)

    def to_dict(self, *, worst: int = 0) -> dict[str, Any]:
        """All figures, fit for JSON: everything that the page's tables show.

        Args:
            worst: How many of the worst pairs to name; they are names of photos, and often of
                people.
        """
        return {
            "format": FORMAT,
            "title": self.title,
            "created": self.created,
            "vultus": self.version,
            "protocols": [
                {
                    "protocol": group.protocol,
                    "warnings": list(group.warnings),
                    "models": [_entry_to_dict(entry, worst) for entry in group.entries],
                }
                for group in self.groups
            ],
        }


def compare(
    records: Sequence[tuple[str | None, EvaluationRecord]],
    *,
    title: str,
    created: str,
    version: str,
) -> Comparison:
    """Group records by protocol and give each a label.

    A record without a label is called by its model; where that would call two alike, by its
    detector, its weights and its preprocessing too, as far as needed.

    Args:
        records: Label or None, and record.
        title: Of the page.
        created: When, ISO 8601 in UTC.
        version: Of Vultus.

    Raises:
        InputError: If there is no record, or two on one protocol were given the same label.
    """
    if not records:
        raise InputError("a report needs at least one result, got none")
    labels = _labels(records)
    groups: dict[str, list[Entry]] = {}
    for label, (_, record) in zip(labels, records, strict=True):
        groups.setdefault(record.protocol, []).append(Entry(label, record))
    return Comparison(
        title,
        created,
        version,
        tuple(
            ProtocolGroup(name, tuple(entries), tuple(_warnings(entries)))
            for name, entries in groups.items()
        ),
    )


def _labels(records: Sequence[tuple[str | None, EvaluationRecord]]) -> list[str]:
    # One depth for all, so that a model is called the same on every protocol.
    for depth in range(1, 5):
        labels = [
            ", ".join(_traits(record)[:depth]) if given is None else given
            for given, record in records
        ]
        if len({(r.protocol, label) for (_, r), label in zip(records, labels, strict=True)}) == len(
            records
        ):
            return labels
    given = [label for label, _ in records if label is not None]
    if len(given) == len(records):
        raise InputError(f"labels of results on one protocol must differ, got {', '.join(given)}")
    numbered: list[str] = []
    seen: dict[tuple[str, str], int] = {}
    for (_, record), label in zip(records, labels, strict=True):
        count = seen[(record.protocol, label)] = seen.get((record.protocol, label), 0) + 1
        numbered.append(label if count == 1 else f"{label} #{count}")
    return numbered


def _traits(record: EvaluationRecord) -> list[str]:
    space = record.result.model
    detector = record.result.detector or "aligned crops"
    return [record.model, detector, space.weights_sha256[:8], space.preprocessing]


def _warnings(entries: Sequence[Entry]) -> Iterable[str]:
    results = [entry.record.result for entry in entries]
    files = [result.files_sha256 for result in results]
    differing = sorted({name for some in files for name in some if _differ(files, name)})
    if differing:
        yield (
            f"These results were measured on different files ({', '.join(differing)}); they cannot "
            "be compared."
        )
    settings = _settings([result.settings for result in results])
    if settings:
        yield f"These results have different settings ({settings}); compare with care."
    numbers = {
        "photos": {result.n_photos for result in results},
        "genuine comparisons": {result.n_genuine for result in results},
    }
    for words, counts in numbers.items():
        if len(counts) > 1:
            told = " and ".join(f"{count:,}" for count in sorted(counts))
            yield f"These results are on different numbers of {words} ({told}); compare with care."


def _settings(told: Sequence[Mapping[str, Setting]]) -> str:
    """Settings that are not the same for all, or nothing."""
    names = sorted({name for some in told for name in some})
    differing = [name for name in names if len({str(some.get(name)) for some in told}) > 1]
    return "; ".join(
        f"{name} {' and '.join(dict.fromkeys(str(some.get(name)) for some in told))}"
        for name in differing
    )


def _differ(files: Sequence[Mapping[str, str]], name: str) -> bool:
    return len({some.get(name) for some in files}) > 1


def _entry_to_dict(entry: Entry, worst: int) -> dict[str, Any]:
    record = entry.record
    told: dict[str, Any] = {
        "label": entry.label,
        "created": record.created,
        "software": dict(record.software),
        "cost": to_json(record.cost),
        "threshold": record.threshold,
        "reject": {
            name: {
                "fnmr": float(curve.fnmr[0]),
                "threshold": curve.threshold,
                **to_json(record.reject_areas[name]),
            }
            for name, curve in record.reject.items()
        },
        "result": to_json(record.result),
    }
    if worst:
        told["worst_genuine"] = [pair._asdict() for pair in record.worst_genuine[:worst]]
        told["worst_impostor"] = [pair._asdict() for pair in record.worst_impostor[:worst]]
    return told
