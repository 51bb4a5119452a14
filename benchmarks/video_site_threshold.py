"""What a site's own faces do for strangers of one camera, where few people were filmed.

    python -m benchmarks.video_site_threshold --clips DIR --person A=one,two --person B=three ...

Each person is left out in turn. The others' clips are all that the site has: `vultus calibrate`'s
function is asked for a calibration of them, and refuses where they are too few; and a threshold is
set by hand above every pair of fused templates of two of them. Then it is asked whether the clips
of who was left out, a stranger of the same camera, are named, and whether the others are found.
"""

import argparse
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
from benchmarks.video_clips import Looks, recorded

from vultus.core.embeddings import Embeddings
from vultus.core.errors import CalibrationError
from vultus.evaluation.calibration.fpir import GalleryPlan
from vultus.evaluation.calibration.run import CalibrationPlan, LabelledFaces, calibrate
from vultus.pipeline.recognizer import Recognizer

MARGIN = 0.05
"""Above the highest pair: it is the highest of a few."""


def fused(looks: Looks) -> npt.NDArray[np.float32]:
    """The template of a clip: the shots of its last look, joined."""
    shots = next(shots for look, shots in looks if look == 0)
    mean = shots.vectors.mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)


def asked_for_a_calibration(others: dict[str, list[Looks]], shots: int) -> str:
    """What the calibration of so many fused shots says."""
    faces = [
        (who, one) for who, clips in others.items() for looks in clips for _, one in looks[-1:]
    ]
    labels = np.array([who for who, one in faces for _ in range(len(one))])
    known = LabelledFaces(Embeddings.concatenate([one for _, one in faces]), labels, "clips", "0")
    plan = CalibrationPlan(galleries=(GalleryPlan(0.01, len(others), photos_per_probe=shots),))
    try:
        made = calibrate(known, plan)
    except CalibrationError as error:
        return f"refused: {error}"
    return f"made: {made.calibration.thresholds}"


def run(people: dict[str, list[Path]], shots: int) -> None:
    recognizer = Recognizer()
    recognizer.use_calibration(None)
    with TemporaryDirectory() as place:
        clips = {
            who: [recorded(recognizer, clip, Path(place))[0] for clip in own]
            for who, own in people.items()
        }
    report(people, clips, shots)


def report(people: dict[str, list[Path]], clips: dict[str, list[Looks]], shots: int) -> None:
    print(
        "| left out | threshold by the others | their clips, found of asked | clips of who was "
        "left out, named | most alike |\n|---|---|---|---|---|"
    )
    for out in people:
        others = {who: own for who, own in clips.items() if who != out}
        templates = {who: [fused(looks) for looks in own] for who, own in others.items()}
        pairs = [
            float(a @ b)
            for one, other in combinations(templates, 2)
            for a in templates[one]
            for b in templates[other]
        ]
        limit = max(pairs) + MARGIN
        gallery = {who: own[0] for who, own in templates.items()}
        mates = [(own[0] @ later) >= limit for own in templates.values() for later in own[1:]]
        strangers = [
            max((float(fused(looks) @ one), who) for who, one in gallery.items())
            for looks in clips[out]
        ]
        named = [who for value, who in strangers if value >= limit]
        most = max(strangers)
        print(
            f"| {out} | {limit:.2f} | {sum(mates)} of {len(mates)} | {len(named)} of "
            f"{len(strangers)} | {most[1]} {most[0]:.2f} |"
        )
    first = next(iter(people))
    rest = {who: own for who, own in clips.items() if who != first}
    print(f"\nA calibration of fused shots: {asked_for_a_calibration(rest, shots)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--person", action="append", required=True, metavar="NAME=CLIP,CLIP")
    parser.add_argument("--shots", type=int, default=5)
    options = parser.parse_args()
    people = {}
    for text in options.person:
        person, _, clips = text.partition("=")
        people[person] = [options.clips / clip for clip in clips.split(",")]
    run(people, options.shots)


if __name__ == "__main__":
    main()
