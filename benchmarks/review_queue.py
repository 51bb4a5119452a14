"""The review queue, merges and their undoing on photos of real people, counted.

Half of the people are enrolled with half of their photos each, every third of them by mistake under
two names. The rest of the photos, and all photos of the other half of the people, are identified at
FPIR 0.01; what is unknown waits in the queue. Groups of the queue are held against the labels, then
each is assigned as somebody who knows the people would: to whom most of the group's faces show, the
others go on waiting. Then both names of each who has two are merged, and all merges are undone, in
another order. What must hold is checked: every face that was offered is a person's photo or waits,
and after undoing the templates are, bit by bit, and the answers to all probes those of before.

    python benchmarks/review_queue.py --faces faces.zip [--model vultus-s2] [--fmr 1e-3 ...]

The zip holds aligned crops, ``[source/]person/photo.webp`` or of another kind. Labels are taken as
they are; wrong ones count against the groups.
"""

import argparse
import platform
import random
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath

import numpy as np

from vultus.core.crops import AlignedCrops
from vultus.core.embeddings import Embeddings
from vultus.core.errors import InputError
from vultus.core.results import Identification
from vultus.embedding.embedder import Embedder, open_embedder
from vultus.gallery.gallery import Gallery
from vultus.gallery.review.merging import merge, unmerge
from vultus.gallery.review.queue import ReviewQueue, ReviewRules
from vultus.image.io import read_image
from vultus.pipeline.enrolling import OUTLIER_FMR
from vultus.pipeline.recognizer import Recognizer

FPIR, FEWEST, TWICE = 0.01, 2, " (again)"
State = tuple[dict[str, bytes], list[tuple[tuple[float, str], ...]]]


def main() -> None:
    """Print a table for each threshold of the groups."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--faces", type=Path, required=True, help="a zip of aligned crops")
    parser.add_argument("--model", default="vultus-s2")
    parser.add_argument("--fmr", type=float, nargs="+", default=[1e-2, 1e-3, 1e-4])
    options = parser.parse_args()
    recognizer = Recognizer(embedder=options.model, gate=None)
    people = _embedded(options.faces, open_embedder(options.model))
    packages = ", ".join(f"{name} {version(name)}" for name in ("vultus", "numpy"))
    print(f"{datetime.now(UTC).date().isoformat()}; Python {platform.python_version()}; {packages}")
    n_photos = sum(map(len, people.values()))
    print(f"{options.model}; {len(people)} people of {FEWEST} photos and more, {n_photos} photos")
    for fmr in options.fmr:
        with tempfile.TemporaryDirectory() as folder:
            _Run(recognizer, people, Path(folder) / "g.db").go(fmr)


class _Run:
    def __init__(self, recognizer: Recognizer, people: dict[str, Embeddings], path: Path) -> None:
        self._recognizer, self._people = recognizer, people
        self._gallery = Gallery.open(
            path,
            space=recognizer.embedder.space,
            outlier_similarity=recognizer.threshold(OUTLIER_FMR).similarity,
        )
        self._queue = ReviewQueue(self._gallery)
        self._truth: dict[int, str] = {}
        self._answers: dict[int, Identification] = {}

    def go(self, fmr: float) -> None:
        """Enrol, offer, group, assign, merge, undo."""
        doubled, offered = self._enrol()
        self._queue.allow(ReviewRules())
        self._offer(offered)
        waiting = len(self._queue)
        self._count_groups(fmr)
        assigned = self._assign(fmr)
        left = len(self._queue)
        print(f"- {assigned} faces became photos, {left} go on waiting: {assigned + left}")
        if assigned + left != waiting:
            raise AssertionError(f"{waiting} faces waited, {assigned} + {left} are there")
        probes = Embeddings.concatenate(list(self._people.values()))
        self._merge_and_undo(doubled, probes)
        if problems := self._gallery.check():
            raise AssertionError(problems)
        self._gallery.close()

    def _enrol(self) -> tuple[list[str], dict[str, Embeddings]]:
        """Who has two names, and the photos that are left."""
        names, doubled, left = sorted(self._people), list[str](), dict[str, Embeddings]()
        random.Random(0).shuffle(names)
        known = set(names[: len(names) // 2])
        for name in names:
            photos = self._people[name]
            if name not in known:
                left[name] = photos
                continue
            half = len(photos) // 2
            left[name] = photos[half:]
            twice = half >= FEWEST and len(doubled) * 3 < len(known)
            first = photos[: half // 2] if twice else photos[:half]
            # As their labels say: which photos of a person agree is not what is measured here.
            self._gallery.enroll(name, first, force=True)
            if twice:
                self._gallery.enroll(name + TWICE, photos[half // 2 : half], force=True)
                doubled.append(name)
        print(f"\n{len(known)} people enrolled, {len(doubled)} of them under two names; ", end="")
        strangers = sum(len(left[name]) for name in left if name not in known)
        mates = sum(len(left[name]) for name in known)
        print(f"{mates} other photos of them and {strangers} of strangers are looked at\n")
        return doubled, left

    def _offer(self, offered: dict[str, Embeddings]) -> None:
        rule = self._recognizer.gallery_threshold(self._gallery, fpir=FPIR)
        told: Counter[str] = Counter()
        for name, photos in offered.items():
            answers = self._gallery.identify(photos, threshold=rule, fpir=FPIR)
            for number, answer in zip(self._queue.offer(photos, answers), answers, strict=True):
                known = self._is_known(name)
                found = None if answer.identity is None else answer.identity.removesuffix(TWICE)
                kind = "mate" if known else "stranger"
                told[f"{kind}, {_judged(found, name)}"] += 1
                if number is not None:
                    self._truth[number] = name
        for what, n in sorted(told.items()):
            print(f"- {what}: {n}")
        suggested = Counter[str]()
        for face in self._queue.faces():
            truth = self._truth[face.number]
            if self._is_known(truth):
                best = [found.identity.removesuffix(TWICE) for found in face.suggestions]
                suggested[
                    "first" if best[:1] == [truth] else "later" if truth in best else "no"
                ] += 1
        print(
            f"- of mates who wait, the right name is suggested first {suggested['first']} times, "
            f"second or third {suggested['later']}, not {suggested['no']}"
        )

    def _is_known(self, name: str) -> bool:
        return self._gallery.opened.roster.find(name) is not None

    def _count_groups(self, fmr: float) -> None:
        groups = self._groups(fmr)
        faces = sum(map(len, groups))
        several = [group for group in groups if len(group) > 1]
        pure = [group for group in several if len(self._shown(group)) == 1]
        wrong = sum(sum(self._shown(group).values()) - max(self._shown(group).values())
                    for group in several)  # fmt: skip
        split = Counter(max(self._shown(g), key=lambda n: self._shown(g)[n]) for g in groups)
        print(f"\nGroups at FMR {fmr:g} (similarity {self._recognizer.threshold(fmr).similarity}):")
        print(f"- {faces} faces wait, of {len(set(self._truth.values()))} people")
        print(
            f"- {len(several)} groups of two faces and more with {sum(map(len, several))} faces; "
            f"{len(pure)} of them show one person ({sum(map(len, pure))} faces), "
            f"{len(several) - len(pure)} several; {wrong} faces are in a group of somebody else"
        )
        alone = len(groups) - len(several)
        print(
            f"- {alone} faces are alone; a person is in {np.mean(list(split.values())):.1f} groups"
        )

    def _groups(self, fmr: float) -> list[tuple[int, ...]]:
        return self._queue.groups(self._recognizer.threshold(fmr))

    def _shown(self, group: Sequence[int]) -> Counter[str]:
        return Counter(self._truth[number] for number in group)

    def _assign(self, fmr: float) -> int:
        """Name each group that shows somebody more than once; how many faces became photos."""
        added, refused, left_out = 0, 0, 0
        for group in self._groups(fmr):
            (name, n), *_ = self._shown(group).most_common(1)
            if n < FEWEST:
                continue
            meant = [number for number in group if self._truth[number] == name]
            try:
                done = self._queue.assign(meant, name)
            except InputError:  # unlike the person's photos: whoever knows better insists
                refused += 1
                done = self._queue.assign(meant, name, force=True)
            added += done.added
            left_out += len(meant) - done.added
        print(
            f"- assigned to whom they show: {refused} groups only by insisting, since they are "
            f"unlike the person's photos; {left_out} faces left out as unlike the others"
        )
        return added

    def _merge_and_undo(self, doubled: Sequence[str], probes: Embeddings) -> None:
        before, photos = self._state(probes), self._photos()
        start = time.process_time()
        numbers = [merge(self._gallery, name + TWICE, name) for name in doubled]
        merged = self._photos()
        if merged.total() != photos.total() or any(name + TWICE in merged for name in doubled):
            raise AssertionError("photos were lost by merging")
        once = self._state(probes)
        random.Random(1).shuffle(numbers)
        for number in numbers:
            unmerge(self._gallery, number)
        after = self._state(probes)
        same = sum(after[0].get(name) == vector for name, vector in before[0].items())
        answers = sum(a == b for a, b in zip(after[1], before[1], strict=True))
        changed = sum(a != b for a, b in zip(once[1], before[1], strict=True))
        print(
            f"- {len(numbers)} merges and as many undone: {merged.total()} photos all along; "
            f"{changed} of {len(probes)} answers changed by merging; after undoing {same} of "
            f"{len(before[0])} templates are the same to the bit, and {answers} of {len(probes)} "
            f"answers (five best, similarities); {time.process_time() - start:.1f} s of CPU time"
        )
        if self._photos() != photos or same < len(before[0]) or answers < len(probes):
            raise AssertionError("something is not as it was")

    def _photos(self) -> Counter[str]:
        return Counter({who.identity: who.n_photos for who in self._gallery.identities()})

    def _state(self, probes: Embeddings) -> State:
        templates = self._gallery.template_set()
        vectors = {
            name: vector.tobytes()
            for name, vector in zip(templates.identities, templates.vectors, strict=True)
        }
        # By name where equally alike: who is back after a merge is last in the order of enrolment.
        return vectors, [
            tuple(sorted(((c.similarity, c.identity) for c in some), reverse=True))
            for some in self._gallery.search(probes, rank=5)
        ]


def _judged(found: str | None, name: str) -> str:
    return "unknown" if found is None else "named rightly" if found == name else "named wrongly"


def _embedded(path: Path, embedder: Embedder) -> dict[str, Embeddings]:
    """The faces of each person of a zip with as many as are needed."""
    people: dict[str, list[np.ndarray]] = {}
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            place = PurePosixPath(name)
            if len(place.parts) > 1 and not name.endswith("/") and place.parent.name[0] != "_":
                people.setdefault(str(place.parent), []).append(read_image(archive.read(name)))
    found = {}
    for person, images in people.items():
        if len(images) >= FEWEST:
            maps = np.zeros((len(images), 2, 3), np.float32)
            found[person] = embedder.embed(
                AlignedCrops(np.stack(images), maps, embedder.card.template)
            )
    return found


if __name__ == "__main__":
    main()
