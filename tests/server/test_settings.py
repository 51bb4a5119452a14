from pathlib import Path

import pytest

from vultus.server.settings import ServerSettings

FILE, URL = Path("people.db"), Path("postgresql://h/faces/staff")


@pytest.mark.parametrize(
    ("gallery", "store", "apart"),
    [
        ((FILE,), None, False),
        ((URL,), None, True),
        ((FILE, URL), None, True),
        ((URL,), "postgresql://h/faces", False),
        ((), "postgresql://h/faces", False),
    ],
)
def test_galleries_in_a_database_may_be_served_by_keys_of_one_process_alone(
    tmp_path: Path, gallery: tuple[Path, ...], store: str | None, apart: bool
) -> None:
    settings = ServerSettings(gallery=gallery, store=store, data=tmp_path)
    assert settings.keeps_apart is apart
