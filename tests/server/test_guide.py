"""The commands of the service's guide are run as they stand, against a service."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from vultus.image.demo_photos import COLLINS, HOPPER, TOGETHER, write_demo_photos
from vultus.server.access import Role
from vultus.server.context import Context

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "service.md"
BLOCKS = [
    block
    for block in re.findall(r"^```bash\n(.*?)^```$", GUIDE.read_text("utf-8"), re.M | re.S)
    if "curl" in block and "$JOB" not in block  # whose id comes with an answer
]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_curl_examples_do_what_they_say(context: Context, address: str, tmp_path: Path) -> None:
    people = write_demo_photos(tmp_path / "photos")
    for name, photo in {
        "ada-1.jpg": people[HOPPER][0],
        "ada-2.jpg": people[HOPPER][1],
        "party.jpg": tmp_path / "photos" / TOGETHER,
        "a.jpg": people[COLLINS][0],
        "b.jpg": people[COLLINS][1],
    }.items():
        shutil.copy(photo, tmp_path / name)
    (tmp_path / "admin.key").write_text(context.keys.add(Role.admin)[1] + "\n")
    assert BLOCKS
    # An answer that is an error fails; a stream (-N) goes on for ever and is left after a while.
    script = [
        "set -euo pipefail",
        'curl() { if [ "$1" = -N ]; then command curl -fsS -m 2 "$@" || [ $? = 28 ]; '
        'else command curl -fsS "$@"; fi; }',
        *BLOCKS,
    ]
    done = subprocess.run(
        ["bash", "-c", "\n".join(script).replace("http://127.0.0.1:8000", address)],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    assert '"name":"Ada"' in done.stdout
    assert '"same_person"' in done.stdout
