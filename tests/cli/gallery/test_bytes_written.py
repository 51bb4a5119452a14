"""With a key, what the commands write down of people cannot be read; after erasing, not at all."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TRACED = r'''
import io, json, logging, os, re, sys, tempfile
from contextlib import redirect_stdout
from pathlib import Path

opened, gone, own = set(), [], True  # files opened to write; what stood in those that were removed


def snapshot(path):
    try:
        if os.path.isfile(path):
            gone.append(Path(path).read_bytes())
    except OSError:
        pass


def hook(event, arguments):
    global own
    if not own:
        return
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        path, mode, flags = arguments
        if flags & (os.O_WRONLY | os.O_RDWR):
            opened.add(os.path.abspath(os.fsdecode(path)))
    elif event == "os.rename":
        opened.add(os.path.abspath(os.fsdecode(arguments[1])))
    elif event == "os.remove":
        own, path = False, os.fsdecode(arguments[0])
        if isinstance(arguments[1], int) and arguments[1] >= 0:
            path = os.path.join(os.readlink(f"/proc/self/fd/{arguments[1]}"), path)
        snapshot(path)
        own = True


sys.addaudithook(hook)


def look():
    """Add the files that are open to write; SQLite opens them without Python."""
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
            flags = Path(f"/proc/self/fdinfo/{number}").read_text()
        except OSError:
            continue
        if target.startswith("/") and int(re.search(r"flags:\s*(\d+)", flags)[1], 8) & 3:
            opened.add(target.removesuffix(" (deleted)"))


def written():
    look()
    files = (path for path in sorted(opened) if os.path.isfile(path) and not path.endswith(".zip"))
    return {path: Path(path).read_bytes() for path in files}


from vultus.cli.main import main
from vultus.gallery.gallery import Gallery
from vultus.gallery.people.details import Record
from vultus.gallery.security.master_key import read_key_file

folder, photos, model, mark = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], "Zyxmark"
logging.basicConfig(filename=folder / "log.txt", level=logging.DEBUG)
file, cache = folder / "g.db", folder / "cache"
grace, eileen = (photos / name for name in ("Grace Hopper", "Eileen Collins"))
rows = [f"{photo},Grace {mark},ext-{mark}-1,{mark} desk" for photo in sorted(grace.iterdir())[:2]]
(folder / "staff.csv").write_text("\n".join(["photo,name,external_id,place", *rows]))
opened.discard(str(folder / "staff.csv"))
use, key = ("--model", model), ("--key", folder / "key")
stranger = eileen / "0-original.jpg"


def run(*words):
    with redirect_stdout(io.StringIO()) as out:
        code = main([str(word) for word in words])
    assert code in (0, 1), (words, code, out.getvalue())
    return out.getvalue()


def pieces(data):
    """Of what is sealed, three that no other piece has."""
    return [data[len(data) * part // 4 :][:48] for part in (1, 2, 3)]


def secrets_of(gallery, name):
    opened = gallery.opened
    member = opened.roster.find(name)
    found = {f"vector {n}": face.vector.tobytes()[:64]
             for n, face in opened.roster.faces(member).items()}
    template = opened.store.template(member.id)
    found["template"] = opened.roster.template(template).tobytes()[:64]
    sealed = {"record": member.row.record, "sealed template": template.body,
              "key": template.key, "tag": member.row.name_tag}
    for row in opened.store.items(key_id=member.id):
        for n, piece in enumerate(pieces(member.key.open(row.kind, row.id, row.body))):
            found[f"{row.kind} {row.id} {n}"] = piece
        sealed[f"sealed {row.kind} {row.id}"] = row.body[:64]  # more may be on another page
    return found, sealed


def found_in(contents, secrets):
    return sorted({f"{kind} in {os.path.basename(str(path))}" for path, data in contents.items()
                   for kind, secret in secrets.items() if secret in data})


run("gallery", "key", "new", folder / "key")
run("gallery", "create", file, *use, *key)
held = Gallery.open(file, key=read_key_file(folder / "key"))  # so that the log of changes stays
run("gallery", "crops", "allow", file, *key)
run("gallery", "review", "allow", file, *key)
run("gallery", "import", file, folder / "staff.csv", *use, *key)
run("gallery", "identify", file, stranger, *use, *key, "--threshold", "0.99")
waiting = {}
for row in held.opened.store.items("review"):
    stored = held.opened.store.key(row.key_id)
    data = held.opened.vault.person_key(stored.wrapped, stored.uid).open(row.kind, row.id, row.body)
    waiting.update({f"review {n}": piece for n, piece in enumerate(pieces(data))})
assert waiting
number = next(iter(held.opened.store.items("review"))).id
run("gallery", "review", "assign", file, f"Eileen {mark}", number, *key)
every, sealed = secrets_of(held, f"Grace {mark}")
other, _ = secrets_of(held, f"Eileen {mark}")
first = written()
merged = run("gallery", "merge", file, f"Eileen {mark}", f"Grace {mark}", *key)
both, _ = secrets_of(held, f"Grace {mark}")
middle = written()
run("gallery", "undo", file, re.findall("knows it as ([0-9]+)", merged)[-1], *key)
run("find", grace / "0-original.jpg", photos, *use, "--threshold", "0.7", "--cache", cache)
run("gallery", "export", file, f"Grace {mark}", folder / "all.zip", *key)
secrets = {"name": mark.encode(), "name in hex": mark.encode().hex().encode(),
           **every, **{f"other {k}": v for k, v in other.items()},
           **{f"both {k}": v for k, v in both.items()}, **waiting}
contents = {**written(), **{f"{path} at first": data for path, data in first.items()},
            **{f"{path} meanwhile": data for path, data in middle.items()},
            **{f"removed {n}": data for n, data in enumerate(gone)}}
sealed_only = {path: data for path, data in contents.items() if "faces.db" not in path}
before = found_in(sealed_only, secrets)
named = found_in(contents, {"name": mark.encode()})
seen = found_in(contents, sealed)
(folder / "all.zip").unlink()
gone.clear()
erased, sealed = secrets_of(held, f"Grace {mark}")
vectors = {kind: secret for kind, secret in erased.items() if kind.startswith("vector")}
cached = found_in({str(p): p.read_bytes() for p in cache.rglob("*") if p.is_file()}, vectors)
run("gallery", "erase", file, f"Grace {mark}", *key, "--cache", cache)
after = found_in({**written(), **{f"removed {n}": data for n, data in enumerate(gone)}},
                 {"name": b"Grace " + mark.encode(), **erased, **sealed})
held.close()
kept = {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != "staff.csv"}
after += found_in(kept, {"name": b"Grace " + mark.encode(), **erased, **sealed})
print(json.dumps({"before": before, "named": named, "seen": seen, "after": after,
                  "cached": cached, "kinds": sorted({k.split()[0] for k in every}),
                  "files": sorted({os.path.basename(path) for path in opened})}))
'''


@pytest.mark.skipif(not Path("/proc/self/fdinfo").exists(), reason="traces by /proc")
def test_nothing_of_a_person_can_be_read_in_a_file_that_was_written(
    photos: Path, tiny_model: Path, tmp_path: Path
) -> None:
    album, left = tmp_path / "album", tmp_path / "tmp"
    left.mkdir()
    for name in ("Grace Hopper", "Eileen Collins"):
        (album / name).mkdir(parents=True)
        for photo in sorted((photos / name).iterdir())[:2]:
            shutil.copy(photo, album / name)
    work = tmp_path / "work"
    work.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", TRACED, str(work), str(album), str(tiny_model)],
        env={**os.environ, "TMPDIR": str(left)},
        capture_output=True,
        text=True,
        check=False,
        cwd=work,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["before"] == []
    assert told["named"] == []
    assert told["after"] == []
    # The search sees what there is: sealed rows, and what the cache of `find` keeps of the album.
    for kind in ("record", "sealed template", "sealed crop", "key"):
        assert any(seen.startswith(kind) for seen in told["seen"]), told["seen"]
    assert told["cached"] != []
    assert {"vector", "template", "crop"} <= set(told["kinds"])
    assert {"g.db", "g.db-wal", "g.db-erased", "log.txt", "all.zip"} <= set(told["files"])
