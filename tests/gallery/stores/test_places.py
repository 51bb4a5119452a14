"""What a location of a gallery means."""

from pathlib import Path

import pytest

from vultus.core.errors import InputError
from vultus.gallery.stores.places import DatabasePlace, is_database, place_of


@pytest.mark.parametrize(
    ("text", "user", "hosts", "database", "gallery"),
    [
        ("postgresql://h/db/staff", None, "h", "db", "staff"),
        ("postgres://ann@h:5433/db/staff", "ann", "h:5433", "db", "staff"),
        ("postgresql://h1:1,h2:2/db/a.b-c_d", None, "h1:1,h2:2", "db", "a.b-c_d"),
        ("postgresql://h/db", None, "h", "db", None),
        ("postgresql:///db/staff", None, "", "db", "staff"),
        ("postgresql://[::1]:5432/my%20db/staff", None, "[::1]:5432", "my db", "staff"),
        ("POSTGRESQL://h/db/staff?sslmode=verify-full&sslrootcert=/a/b", None, "h", "db", "staff"),
    ],
)
def test_a_url_is_read_alike_as_text_and_as_a_path(
    text: str, user: str | None, hosts: str, database: str, gallery: str | None
) -> None:
    place = place_of(text)
    assert isinstance(place, DatabasePlace)
    assert (place.user, place.hosts, place.database, place.gallery) == (
        *(user, hosts, database, gallery),
    )
    if gallery is not None:  # a path is asked for where a gallery is meant
        assert place_of(Path(text)) == place
    assert place_of(place.url()) == place


def test_what_a_message_tells_of_a_place_is_neither_user_nor_options() -> None:
    assert str(place_of("postgresql://ann@h/db/x?sslmode=require")) == "postgresql://h/db/x"


@pytest.mark.parametrize("text", ["people.db", "/a/b.db", "./postgresql", "a:b", "C:/people.db"])
def test_everything_else_is_a_file(text: str) -> None:
    assert place_of(text) == Path(text)
    assert not is_database(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("postgresql://ann:secret7@h/db/x", "no password"),
        ("postgresql://h/db/x?password=secret7", "no password"),
        ("postgresql://h/db/x?sslpassword=secret7", "no password"),
        ("postgresql://h/db/x y", "1 to 64 letters"),
        ("postgresql://h/db/-x", "1 to 64 letters"),
        ("postgresql://h/db/x/y", "HOST"),
        ("postgresql://h", "HOST"),
        ("mysql://h/db/x", "begins mysql:"),
    ],
)
def test_what_cannot_be_meant_is_refused_without_its_secret(text: str, told: str) -> None:
    for location in (text, Path(text)):
        with pytest.raises(InputError, match=told) as caught:
            place_of(location)
        assert "secret7" not in str(caught.value)
