"""No byte of whom was erased is left in any file that was written meanwhile."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.gallery.rounds import rounds

ERASER = r'''
import json, logging, os, random, re, sys, tempfile
from pathlib import Path

opened = set()  # every file that Python opened to write; SQLite's are found in /proc


def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        path, mode, flags = arguments
        if flags & (os.O_WRONLY | os.O_RDWR):
            opened.add(os.path.abspath(os.fsdecode(path)))
    elif event == "os.rename":
        opened.add(os.path.abspath(os.fsdecode(arguments[1])))


sys.addaudithook(hook)


def look():
    """Add the files that this process has open to write; SQLite opens them without Python."""
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
            flags = Path(f"/proc/self/fdinfo/{number}").read_text()
        except OSError:
            continue
        if target.startswith("/") and int(re.search(r"flags:\s*(\d+)", flags)[1], 8) & 3:
            opened.add(target.removesuffix(" (deleted)"))


import numpy as np
from vultus.core.embeddings import Embeddings, EmbeddingSpace
from vultus.gallery.searching import templates
from vultus.gallery.gallery import Gallery
from vultus.gallery.security.master_key import MasterKey

folder, n_erased, protected = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "key"
templates.WORTH_A_FILE = 20  # so that there is a file of the index
logging.basicConfig(filename=folder / "log.txt", level=logging.DEBUG)
space = EmbeddingSpace("toy", "0" * 64, "none", 128)
key = MasterKey(bytes(range(32))) if protected else None
path, rng, chosen = folder / "people.db", np.random.default_rng(0), random.Random(0)


def photos():
    raw = rng.standard_normal(128) + 0.3 * rng.standard_normal((2, 128))
    return Embeddings.from_raw(raw, space)


def disk():
    look()
    return b"\0".join(Path(file).read_bytes() for file in sorted(opened) if os.path.isfile(file))


def secrets_of(gallery, name, vectors):
    """What must not stay: of the name, the templates, the key, and what was sealed by it."""
    store = gallery.opened.store
    member = gallery.opened.roster.find(name)
    template = store.template(member.id)
    return {
        "name": name.encode(),
        "name's tag": member.row.name_tag,
        "key": template.key,
        "vectors": vectors.vectors[0].tobytes(),
        "other vectors": vectors.vectors[1].tobytes(),
        "template": gallery.opened.roster.template(template).tobytes(),
        "half of the template": gallery.opened.roster.template(template)[32:64].tobytes(),
        "sealed template": template.body,
        "sealed record": member.row.record,
        "sealed face": store.faces(member.id)[0].body,
    }


def found_in(content, people):
    return sorted({kind for held in people for kind, secret in held.items() if secret in content})


erased, seen, number, here = [], {}, 0, {}
while len(erased) < n_erased:
    with Gallery.open(path, space=space, key=key, actor="tester") as gallery:
        store = gallery.opened.store
        while len(here) < 60 or chosen.random() < 0.9:
            name = f"Person-Number-{number:06}-Zyx"
            here[name], number = photos(), number + 1
            gallery.enroll(name, here[name], sources=[f"{name}/1.jpg", f"{name}/2.jpg"])
            gallery.enroll(name, here[name])  # adds nothing, and is logged
        gallery.search(here[name], rank=5)  # which makes and follows the index
        some = chosen.sample(sorted(here), 20)
        held = {name: secrets_of(gallery, name, here.pop(name)) for name in some}
        before = disk()
        for name, kinds in held.items():
            for kind, secret in kinds.items():
                seen[kind] = seen.get(kind, 0) + (secret in before)
            assert gallery.remove(name).scrubbed
        erased += held.values()
        after = disk()
        left = found_in(after, held.values())
        assert not left, f"left while the gallery is open: {left}"
        backup = folder / f"backup-{len(erased)}.db"
        gallery.backup(backup)
        left = found_in(backup.read_bytes(), erased)
        assert not left, f"left in a backup made afterwards: {left}"
        backup.unlink()  # it holds whom will be erased next
left = found_in(disk(), erased)
print(json.dumps({"left": left, "seen": seen, "erased": len(erased),
                  "files": sorted(opened)}))
'''


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.skipif(not Path("/proc/self/fdinfo").exists(), reason="traces by /proc")
@pytest.mark.parametrize("kind", ["plain", "key"])
def test_no_byte_of_the_erased_is_in_any_file_written(tmp_path: Path, kind: str) -> None:
    times = rounds(100)
    command = [sys.executable, "-c", ERASER, str(tmp_path), str(times), kind]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    assert told["left"] == []
    assert told["erased"] >= times
    # The search finds what is there: keys and tags before the erasure, templates in the index.
    present = {"key", "name's tag", "sealed template", "sealed record", "sealed face"}
    if kind == "plain":
        present |= {"template", "half of the template"}
    assert {name for name, n in told["seen"].items() if n} == present
    written = {Path(file).name for file in told["files"]}
    index = {"people.db-index"} if kind == "plain" else set()
    assert written >= {"people.db", "people.db-wal", "people.db-erased", "log.txt"} | index
