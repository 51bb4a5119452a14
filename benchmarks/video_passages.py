"""How often a stranger's passage is given a name, and an enrolled person's is not.

    python -m benchmarks.video_passages record --photos lfw_photos.zip --cache passages.npz
    python -m benchmarks.video_passages judge --cache passages.npz

Photos (a zip or folder of ``Name/Name_0001.webp``) are panned and zoomed into clips, which go
through `vultus.video.watcher.Watcher` as films do. ``record`` keeps the shots of every look at
every passage (with a judge that names nobody, so that no look is left out), ``judge`` decides them
among galleries of several sizes; a passage counts as named if any of its looks names it.
"""

import argparse
import io
import tempfile
import time
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vultus.core.embeddings import Embeddings
from vultus.core.errors import CalibrationError, VultusError
from vultus.core.results import Identification
from vultus.core.thresholds import Threshold
from vultus.evaluation.measures.intervals import rate_interval
from vultus.gallery.gallery import Gallery
from vultus.image.io import read_image
from vultus.pipeline.recognizer import Recognizer
from vultus.video.frame import Frame
from vultus.video.passages.judge import JudgeSettings, PassageJudge
from vultus.video.watcher import Watcher

Image = npt.NDArray[np.uint8]
FPS, N_FRAMES, SIZE_WH = 4, 6, (320, 240)


@dataclass
class PannedPhoto:
    """A photo as a clip: the camera moves over it and nearer."""

    name: str
    photo: Image
    seed: int
    is_live: bool = False
    fingerprint: str = ""
    frame_s: float = 1 / FPS
    began_at: datetime = field(default_factory=lambda: datetime(2026, 1, 1, tzinfo=UTC))

    def frames(self, *, after: int = -1) -> Iterator[Frame]:
        rng = np.random.default_rng(self.seed)
        start, end = rng.uniform(-35, 35, (2, 2))
        near = rng.uniform(0.95, 1.25, 2)
        for number in range(N_FRAMES):
            share = number / (N_FRAMES - 1)
            zoom = near[0] + share * (near[1] - near[0])
            centre = np.array(SIZE_WH) / 2 + start + share * (end - start)
            height, width = self.photo.shape[:2]
            move = np.array([[zoom, 0, centre[0] - zoom * width / 2],
                             [0, zoom, centre[1] - zoom * height / 2]])  # fmt: skip
            image = cv2.warpAffine(self.photo, move, SIZE_WH, borderMode=cv2.BORDER_REPLICATE)
            noisy = image + rng.normal(0, 3, image.shape)
            if number > after:
                pixels = np.clip(noisy, 0, 255).astype(np.uint8)
                yield Frame(number, number / FPS, pixels)

    def close(self) -> None:
        return


class Recorder:
    """A judge that names nobody and notes what it was shown."""

    alike: float

    def __init__(self, recognizer: Recognizer) -> None:
        self.alike = recognizer.threshold(1e-4).similarity
        self.looks: list[tuple[int, Embeddings]] = []

    def early(self, shots: Embeddings, *, look: int) -> Identification | None:
        self.looks.append((look, shots))
        return None

    def final(self, shots: Embeddings) -> Identification:
        self.looks.append((0, shots))
        return Identification((), Threshold(1.0), None, 0)


def photos_of(path: Path) -> dict[str, list[Any]]:
    """Name -> photos, opened when read."""
    found: dict[str, list[Any]] = defaultdict(list)
    if path.is_dir():
        for file in sorted(path.rglob("*.*")):
            found[file.parent.name].append(file)
        return found
    archive = zipfile.ZipFile(path)
    for name in sorted(archive.namelist()):
        if not name.endswith("/"):
            found[name.split("/")[-2]].append((archive, name))
    return found


def opened(photo: Any) -> Image:
    if isinstance(photo, tuple):
        archive, name = photo
        return read_image(io.BytesIO(archive.read(name)))
    return read_image(photo)


def record(options: argparse.Namespace) -> None:
    people = photos_of(options.photos)
    names = list(people)
    np.random.default_rng(0).shuffle(names)
    several = [name for name in names if len(people[name]) >= 3][: options.enrolled]
    strangers = [name for name in names if name not in set(several)][: options.strangers]
    recognizer = Recognizer(righting=(), threads=1)
    done = _Kept(options.cache, enrolled=options.enrolled)
    with tempfile.TemporaryDirectory() as folder:
        gallery = recognizer.open_gallery(Path(folder) / "nobody.db")
        for kind, chosen in (("mate", several), ("stranger", strangers)):
            for number, name in enumerate(chosen):
                if done.has(kind, number):
                    continue
                if kind == "mate":
                    done.enrol(number, *_enrolled(recognizer, people[name][:2]))
                photo = opened(people[name][2 if kind == "mate" else 0])
                recorder = Recorder(recognizer)
                source = PannedPhoto(f"{kind}{number}", photo, number)
                watcher = Watcher(recognizer, gallery, source)
                watcher._judge = recorder  # type: ignore[assignment]
                watcher.run()
                done.add(kind, number, recorder.looks, recognizer)
        gallery.close()
    done.save()


def _enrolled(recognizer: Recognizer, photos: Sequence[Any]) -> list[Embeddings]:
    found = []
    for photo in photos:
        try:
            found.append(recognizer.embed_face(opened(photo), select="central"))
        except VultusError:
            continue
    return found


class _Kept:
    """Looks on disk, saved now and then, so that a second run costs nothing."""

    def __init__(self, path: Path, *, enrolled: int) -> None:
        self._path = path
        self.rows: dict[str, list[Any]] = defaultdict(list)
        self._done: set[tuple[str, int]] = set()
        self._saved = time.monotonic()
        self.rows["enrolled_people"] = [enrolled]
        if path.exists():
            stored = np.load(path, allow_pickle=False)
            # Who is stranger number n follows from how many are enrolled: with another number
            # somebody enrolled would be taken for a stranger.
            begun = stored["enrolled_people"].tolist() if "enrolled_people" in stored else None
            if begun != [enrolled]:
                raise SystemExit(f"{path} was begun with another --enrolled; give that, or another")
            self.rows = defaultdict(list, {name: list(stored[name]) for name in stored.files})
            told = [str(one).split() for one in self.rows["done"]]
            self._done = {(kind, int(number)) for kind, number in told}

    def has(self, kind: str, number: int) -> bool:
        return (kind, number) in self._done

    def enrol(self, number: int, *faces: Embeddings) -> None:
        for face in faces:
            self._row("enrolled", number, -1, 0, face)

    def add(
        self, kind: str, number: int, looks: list[tuple[int, Embeddings]], recognizer: Recognizer
    ) -> None:
        for place, (look, shots) in enumerate(looks):
            for shot in shots:
                self._row(kind, number, look, place, shot)
        self.rows["done"].append(f"{kind} {number}")
        self._done.add((kind, number))
        if time.monotonic() - self._saved > 60:
            self.save()

    def _row(self, kind: str, number: int, look: int, place: int, shot: Embeddings) -> None:
        quality = shot.norms if shot.quality is None else shot.quality
        self.rows["kind"].append(kind)
        self.rows["key"].append((number, look, place))
        self.rows["vector"].append(shot.vectors[0])
        self.rows["quality"].append(float(quality[0]))

    def save(self) -> None:
        arrays = {name: np.array(rows) for name, rows in self.rows.items()}
        part = self._path.with_suffix(".part.npz")
        np.savez(part, **arrays)  # type: ignore[arg-type]
        part.replace(self._path)
        self._saved = time.monotonic()


def judge(options: argparse.Namespace) -> None:
    stored = np.load(options.cache, allow_pickle=False)
    recognizer = Recognizer()
    space = recognizer.embedder.space

    def shots(rows: npt.NDArray[np.int64]) -> Embeddings:
        norms = np.ones(len(rows), np.float32)
        quality = stored_quality[rows].astype(np.float32)
        return Embeddings(stored_vectors[rows], norms, space, quality=quality)

    stored_vectors, stored_quality = stored["vector"], stored["quality"]
    passages: dict[str, dict[int, list[tuple[int, Embeddings]]]] = defaultdict(dict)
    for kind in ("mate", "stranger", "enrolled"):
        mine = np.flatnonzero(stored["kind"] == kind)
        for number in np.unique(stored["key"][mine, 0]):
            rows = mine[stored["key"][mine, 0] == number]
            places = stored["key"][rows]
            groups = [rows[(places[:, 1:] == one).all(axis=1)]
                      for one in np.unique(places[:, 1:], axis=0)]  # fmt: skip
            looks = [(int(stored["key"][g[0], 1]), shots(g)) for g in groups]
            passages[kind][int(number)] = looks
    done = stored["done"]
    n_clips = {kind: sum(x.startswith(kind) for x in done) for kind in ("mate", "stranger")}
    judged = {kind: len(found) for kind, found in passages.items()}
    print(f"clips: {n_clips}; with a face that can be judged: {judged}\n")
    print(
        "| enrolled | FPIR asked | rule | threshold of the last look | strangers named | 95 % | "
        "mates named | wrongly |\n|---|---|---|---|---|---|---|---|"
    )
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            gallery = recognizer.open_gallery(Path(folder) / "people.db")
            for number in list(passages["enrolled"])[:size]:
                faces = Embeddings.concatenate([one for _, one in passages["enrolled"][number]])
                gallery.enroll(f"person {number}", faces, force=True)
            for fpir in options.fpir:
                for words, cautious in (("the model's", False), ("one camera's", None)):
                    line = _line(recognizer, gallery, passages, fpir, cautious)
                    print(f"| {len(gallery)} | {fpir} | {words} | {line} |", flush=True)
            gallery.close()


def _line(
    recognizer: Recognizer, gallery: Gallery, passages: Any, fpir: float, cautious: bool | None
) -> str:
    settings = JudgeSettings(fpir=fpir, cautious=cautious)
    try:
        judging = PassageJudge(recognizer, gallery, settings)
    except CalibrationError:
        return "cannot be kept | - | - | - | -"
    known = {person.identity for person in gallery.identities()}
    named = [passage_names(judging, looks) for looks in passages["stranger"].values()]
    hits, n = sum(map(bool, named)), len(named)
    ends = rate_interval(hits, n)
    mates = {f"person {k}": looks for k, looks in passages["mate"].items()}
    found = {who: passage_names(judging, looks) for who, looks in mates.items() if who in known}
    right = sum(who in names for who, names in found.items())
    wrong = sum(bool(names - {who}) for who, names in found.items())
    limit = judging.rule(5, 0.5).similarity
    return (
        f"{limit:.3f} | {hits} of {n:,} ({hits / n:.2%}) | {ends.low:.2%} to {ends.high:.2%} | "
        f"{right} of {len(found)} ({right / max(len(found), 1):.0%}) | {wrong}"
    )


def passage_names(judging: PassageJudge, looks: list[tuple[int, Embeddings]]) -> set[str]:
    """Whom any of the looks names."""
    answers = []
    for look, shots in looks:
        try:
            answers.append(judging.early(shots, look=look) if look else judging.final(shots))
        except VultusError:  # shots that contradict each other
            continue
    return {a.identity for a in answers if a is not None and a.identity is not None}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("record")
    one.add_argument("--photos", type=Path, required=True)
    one.add_argument("--strangers", type=int, default=1200)
    one.add_argument("--enrolled", type=int, default=200)
    one.set_defaults(run=record)
    two = commands.add_parser("judge")
    two.add_argument("--sizes", type=int, nargs="+", default=[4, 20, 200])
    two.add_argument("--fpir", type=float, nargs="+", default=[0.05, 0.01])
    two.set_defaults(run=judge)
    for command in (one, two):
        command.add_argument("--cache", type=Path, required=True)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
