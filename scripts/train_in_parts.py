"""Train on a machine that is lent for minutes, and that files reach in small parts only.

Here, once:       python scripts/train_in_parts.py pack crops.zip models/* -o parts
There, each time: python scripts/train_in_parts.py train vultus-s3 --parts parts --folder work
                      --data crops.zip --minutes 13 -o out
Here, after it:   python scripts/train_in_parts.py unpack out -o s3

``train`` joins the parts, goes on from the newest checkpoint in ``work/run``, which ``--from``
(parts that an earlier time left) brings there, stops itself in time, and leaves the run in parts,
too. So the times add up.
"""

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

LIST = "parts.json"
_MEGABYTE = 1_000_000
_CHUNK = 8 * _MEGABYTE


def pack(files: Mapping[str, Path], folder: Path, *, part_mb: float = 50) -> list[Path]:
    """Cut files into parts, and list them with their digests.

    Args:
        files: By the name, with ``/``, that each shall have when it is joined.
        folder: Where the parts go, beside ``parts.json``; what lay there is removed.
        part_mb: Most of a part, in millions of bytes.

    Returns:
        The parts.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    listed: list[dict[str, Any]] = []
    made: list[Path] = []
    for number, (name, path) in enumerate(files.items()):
        whole, parts = hashlib.sha256(), 0
        with path.open("rb") as source:
            while (block := source.read(int(part_mb * _MEGABYTE))) or not parts:
                made.append(folder / f"{number:03d}.{parts:03d}")
                made[-1].write_bytes(block)
                whole.update(block)
                parts += 1
        listed.append({"name": name, "parts": parts, "sha256": whole.hexdigest()})
    (folder / LIST).write_text(json.dumps(listed, indent=1), encoding="utf-8")
    return made


def unpack(folder: Path, target: Path) -> list[Path]:
    """Join what `pack` cut; files that are there already, and whole, are left as they are.

    Raises:
        ValueError: If a part is missing, or the joined file is not what it was.
    """
    joined = []
    for number, entry in enumerate(json.loads((folder / LIST).read_text(encoding="utf-8"))):
        path = target / entry["name"]
        if not path.resolve().is_relative_to(target.resolve()):
            raise ValueError(f"{folder / LIST} names a file outside of its folder: {entry['name']}")
        joined.append(path)
        if path.is_file() and _digest([path]) == entry["sha256"]:
            continue
        parts = [folder / f"{number:03d}.{part:03d}" for part in range(entry["parts"])]
        missing = [part.name for part in parts if not part.is_file()]
        if missing:
            raise ValueError(f"parts of {entry['name']} are missing: {', '.join(missing)}")
        if _digest(parts) != entry["sha256"]:
            raise ValueError(f"{entry['name']} is damaged: send its parts again")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as whole:
            for part in parts:
                whole.write(part.read_bytes())
    return joined


def _digest(paths: Iterable[Path]) -> str:
    found = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(_CHUNK):
                found.update(block)
    return found.hexdigest()


def run_for(command: Sequence[str], *, seconds: float, environment: Mapping[str, str]) -> int:
    """Run a command, and ask it to stop when its time is over.

    Args:
        command: With its arguments.
        seconds: After so many it gets SIGTERM, as training does to save and end; after a minute
            more it is killed.
        environment: What it finds in ``os.environ``.

    Returns:
        Its exit code, below 0 if a signal ended it.
    """
    process = subprocess.Popen(command, env=dict(environment))
    for waited, sent in ((seconds, signal.SIGTERM), (60.0, signal.SIGKILL)):
        try:
            return process.wait(waited)
        except subprocess.TimeoutExpired:
            process.send_signal(sent)
    return process.wait()


def train(
    recipe: str,
    settings: Sequence[str],
    *,
    folder: Path,
    data: str | None,
    seconds: float,
) -> int:
    """Train until the recipe's end or the time's, in ``folder / "run"``; an earlier run goes on.

    Args:
        recipe: A name, or a file.
        settings: Laid over it, ``key=value``.
        folder: Where the joined files are.
        data: The one of them that is the training data; None leaves ``data.root`` to the recipe.
        seconds: For training alone.

    Returns:
        0 at the end of the recipe, 143 where it was stopped and saved.
    """
    root = [] if data is None else [f"data.root={folder / data}"]
    command = [sys.executable, "-m", "vultus", "train", recipe, f"run.output={folder / 'run'}"]
    # What was joined is searched for models too, those of the committee that teaches among them.
    places = [str(folder), os.environ.get("VULTUS_MODELS_MIRROR", "")]
    mirrors = os.pathsep.join(filter(None, places))
    environment = {**os.environ, "VULTUS_MODELS_MIRROR": mirrors, "VULTUS_OFFLINE": "1"}
    return run_for(
        [*command, *root, *settings, "--resume"], seconds=seconds, environment=environment
    )


def run_files(run: Path) -> dict[str, Path]:
    """What has to travel of a run: all but what is recomputed, of the checkpoints the newest."""
    checkpoints = sorted((run / "checkpoints").glob("step-*"))
    newest = {path.stem for path in checkpoints[-1:]}
    return {
        path.relative_to(run.parent).as_posix(): path
        for path in sorted(run.rglob("*"))
        if path.is_file()
        and "teacher" not in path.relative_to(run).parts
        and (path.parent.name != "checkpoints" or path.stem in newest)
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack", help="cut files into parts")
    packing.add_argument("files", nargs="+", type=Path)
    joining = commands.add_parser("unpack", help="join parts")
    joining.add_argument("folder", type=Path)
    joining.add_argument("-o", "--output", type=Path, required=True)
    training = commands.add_parser("train", help="train for a time, and pack the run")
    training.add_argument("recipe")
    training.add_argument("settings", nargs="*", help="laid over the recipe: key=value")
    training.add_argument("--parts", type=Path, help="what was packed, if it is not joined yet")
    training.add_argument("--from", dest="earlier", type=Path, help="what an earlier time left")
    training.add_argument("--folder", type=Path, required=True, help="where to work")
    training.add_argument("--data", help="the packed file that is the training data")
    training.add_argument("--minutes", type=float, default=13.0, help="for training alone")
    for each in (packing, training):
        each.add_argument("-o", "--output", type=Path, required=True)
        each.add_argument("--part-mb", type=float, default=50.0, help="most of a part")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)  # settings may stand behind options, too
    if rest and (options.command != "train" or any(each.startswith("-") for each in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if options.command == "pack":
        files = {path.name: path for path in options.files}
        if len(files) < len(options.files):
            raise SystemExit("files must have different names")
        print(*pack(files, options.output, part_mb=options.part_mb), sep="\n")
        return 0
    if options.command == "unpack":
        print(*unpack(options.folder, options.output), sep="\n")
        return 0
    for folder in (options.parts, options.earlier):
        if folder is not None:
            unpack(folder, options.folder)
    code = train(
        options.recipe,
        [*options.settings, *rest],
        folder=options.folder,
        data=options.data,
        seconds=60 * options.minutes,
    )
    pack(run_files(options.folder / "run"), options.output, part_mb=options.part_mb)
    return code


if __name__ == "__main__":
    sys.exit(main())
