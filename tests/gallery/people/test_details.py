import dataclasses

import pytest

from vultus.core.errors import GalleryError, InputError
from vultus.gallery.people.details import Consent, PersonDetails, Record, utc_time

CONSENT = Consent(given_at="2026-11-30", purpose="access", until="2027-11-30T12:00+02:00")
AT = "2026-11-30T00:00:00+00:00"


def test_a_record_is_read_back_as_it_was_written() -> None:
    full = Record(
        name="José",
        enrolled_at=AT,
        n_faces=2,
        next_face=5,
        external_id="7",
        metadata={"floor": [1, None, {"a": "é"}]},
        groups=("night", "staff"),
        consent=CONSENT,
        retain_until="2030-01-01T00:00:00+00:00",
    )
    for record in (full, Record(name="Ann", enrolled_at=AT)):
        assert Record.from_bytes(record.to_bytes()) == record
    with pytest.raises(GalleryError, match="later version"):
        Record.from_bytes(full.to_bytes().replace(b"n_faces", b"unknown"))


def test_details_change_what_they_say_and_nothing_else() -> None:
    before = Record(name="Ann", enrolled_at=AT, external_id="7", groups=("a",), consent=CONSENT)
    assert before.with_details(PersonDetails()) == before
    after = before.with_details(PersonDetails(groups=["z", " b ", "z"], metadata={"x": (1, 2)}))
    assert after == dataclasses.replace(before, groups=("b", "z"), metadata={"x": [1, 2]})
    kept = before.with_details(PersonDetails(retain_until="2027-01-01"))
    assert kept.retain_until == kept.expires_at == "2027-01-01T00:00:00+00:00"
    assert kept.with_details(PersonDetails(retain_until="", groups=[])).groups == ()
    assert kept.with_details(PersonDetails(retain_until="")).retain_until is None


def test_the_earlier_end_counts() -> None:
    assert Record(name="Ann", enrolled_at=AT).expires_at is None
    record = Record(name="Ann", enrolled_at=AT, consent=CONSENT)
    assert record.expires_at == "2027-11-30T10:00:00+00:00"
    for until, ends in (
        ("2027-01-01", "2027-01-01T00:00:00+00:00"),
        ("2028-01-01", "2027-11-30T10:00:00+00:00"),
    ):
        assert record.with_details(PersonDetails(retain_until=until)).expires_at == ends


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"external_id": " "}, "external_id must have 1 to 200"),
        ({"groups": "staff"}, "list of names"),
        ({"groups": ["a\nb"]}, "control"),
        ({"groups": ["x" * 101]}, "1 to 100"),
        ({"metadata": {"a": float("nan")}}, "JSON"),
        ({"metadata": {"a": object()}}, "JSON"),
        ({"metadata": {"a": "x" * 70_000}}, "64 KiB"),
        ({"retain_until": "soon"}, "retain_until must be a time"),
        (
            {"consent": dataclasses.replace(CONSENT, until="2026-11-29")},
            "must end after it",
        ),
        (
            {"consent": dataclasses.replace(CONSENT, until="2026-11-30")},
            "must end after it",
        ),
    ],
)
def test_what_cannot_be_noted_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PersonDetails(**fields)  # type: ignore[arg-type]


def test_a_consent_says_when_and_what_for() -> None:
    with pytest.raises(InputError, match="purpose"):
        Consent(given_at="2026-11-30", purpose=" ")
    with pytest.raises(InputError, match="given_at"):
        Consent(given_at="yesterday", purpose="access")


def test_a_consent_that_ended_before_it_was_given_is_read_from_older_files() -> None:
    over = dataclasses.replace(CONSENT, until="2019-01-01")
    record = Record(name="Ann", enrolled_at=AT, consent=over)
    assert Record.from_bytes(record.to_bytes()) == record


def test_times_sort_as_text() -> None:
    times = [
        utc_time("t", text)
        for text in ("2027-01-31T23:00-03:00", "2027-02-01", "2027-02-02T01:59+02:00")
    ]
    assert times == [
        "2027-02-01T02:00:00+00:00",
        "2027-02-01T00:00:00+00:00",
        "2027-02-01T23:59:00+00:00",
    ]
