from pathlib import Path

import pytest

from vultus.core.errors import InputError, PersonExpiredError
from vultus.pipeline.people_source import read_table


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("foto,name\na.jpg,A\n", "must have a column 'photo'"),
        ("", "it has none"),
        ("ISdtarRxAxpdADDcVtVgcBwxAJ88V7AmxjmP9JDuEAg=\n", "'photo'; it has one of 44 characters"),
        ("photo,name\na.jpg\n", "line 2: a line must have as many fields"),
        ("photo,name\na.jpg,A,B\n", "line 2: a line must have as many fields"),
        ("photo,name\n,A\n", "line 2: photo must name a file"),
        ("photo,name\na.jpg,\n", "line 2: identity must have 1 to 200"),
        ("photo,name,desk\na.jpg,A,1\nb.jpg,A,2\n", "line 3: desk of 'A' must be the same"),
        ("photo,name,retain_until\na.jpg,A,soon\n", "'A': retain_until must be a time"),
        ("photo,name,consent_until\na.jpg,A,2030-01-01\n", "consent must say"),
        (
            "photo,name,consent,consent_given_at,consent_until\na.jpg,A,door,2030-01-01,2029-01-01\n",
            "'A': a consent must end after it was given",
        ),
        ("photo,name,photo\na.jpg,A,b.jpg\n", "each column once, 'photo' is there twice"),
        ("photo;name\n", "a line a photo"),
        ('photo,name\n"a.jpg,A\n', "cannot be read as CSV"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_by_line(tmp_path: Path, text: str, why: str) -> None:
    table = tmp_path / "staff.csv"
    table.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=why.replace("(", r"\(")):
        read_table(table)


def test_whose_undated_consent_is_over_is_refused_alone(tmp_path: Path) -> None:
    table = tmp_path / "staff.csv"
    table.write_text(
        "photo,name,consent,consent_until\na.jpg,Ann,door,2019-06-01\nb.jpg,Bob,door,2999-01-01\n"
    )
    ann, bob = read_table(table)
    assert isinstance(ann.refusal, PersonExpiredError)
    assert "'Ann': the consent ended on 2019-06-01" in str(ann.refusal)
    assert bob.refusal is None
