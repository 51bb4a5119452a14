"""A network against presentation attacks, trained on imitations, asked about others.

    python -m benchmarks.liveness_training --train train_faces.zip --check dev_faces.zip \
        --folder RUNS [--others photos.zip]

No real attack takes part: "attacks" are photos that `vultus.data.recapture` changed. For each
family of imitations a network is trained on all others (and on photos of people), and asked about
that family on photos of other people. What it shows is whether training learns more than the
traces that it was shown; of real prints and screens it says nothing. ``--others`` are living faces
of another collection.
"""

import argparse
import hashlib
import io
import zipfile
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from vultus.data.recapture import RECAPTURES, recaptured
from vultus.evaluation.measures.presentation_attacks import CountedRate
from vultus.export.liveness import export_liveness
from vultus.image.io import read_image, write_image
from vultus.liveness.passive import open_passive_liveness
from vultus.pipeline.measuring.liveness import LivenessEvaluation, evaluate_liveness
from vultus.pipeline.recognizer import Recognizer
from vultus.training.liveness.recipe import load_liveness_recipe
from vultus.training.liveness.train import train_liveness

Image = npt.NDArray[np.uint8]
RECIPE = ("crop.context=1.3", "crop.size_px=64", "network.width=16", "fit.epochs=12")


def photos_of(archive: Path, *, people: int, each: int) -> list[tuple[str, int, Image]]:
    """So many photos of so many people, evenly over the archive: (person, number, photo)."""
    found: dict[str, list[str]] = defaultdict(list)
    with zipfile.ZipFile(archive) as file:
        for name in sorted(file.namelist()):
            *place, last = name.split("/")
            if last and place and place[-1] != "_unlabelled":
                found["+".join(place)].append(name)
        several = [person for person, names in found.items() if len(names) >= each]
        chosen = [several[k] for k in np.linspace(0, len(several) - 1, people).astype(int)]
        return [
            (person, number, read_image(io.BytesIO(file.read(name))))
            for person in dict.fromkeys(chosen)
            for number, name in enumerate(found[person][:each])
        ]


def write_folder(root: Path, photos: list[tuple[str, int, Image]], families: list[str]) -> None:
    """``live/`` and ``attack/FAMILY/``, unless they are there.

    All are saved as JPEG of one quality, so that the file's kind gives nothing away.
    """
    for person, number, photo in photos:
        for family in ("", *families):
            place = root / "live" if not family else root / "attack" / family
            file = place / person / f"{number}.jpg"
            if file.exists():
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            word = hashlib.sha256(f"{person} {number} {family}".encode()).digest()
            rng = np.random.default_rng(int.from_bytes(word[:8], "little"))
            write_image(file, recaptured(photo, family, rng) if family else photo)


def evaluated(model: Path, root: Path) -> LivenessEvaluation:
    return evaluate_liveness(
        root, liveness=open_passive_liveness([model]), recognizer=Recognizer(gate=None)
    )


def run(options: argparse.Namespace) -> None:
    train = photos_of(options.train, people=options.people, each=2)
    check = photos_of(options.check, people=options.checking, each=2)
    others = photos_of(options.others, people=options.checking, each=1) if options.others else []
    print(
        "| family left out | APCER, families trained on, the worst | BPCER | APCER, the family "
        "left out | BPCER, other people | BPCER, another collection |\n|---|---|---|---|---|---|"
    )
    for family in options.leave_out:
        rest = [one for one in RECAPTURES if one != family]
        place = options.folder / family
        write_folder(place / "photos", train, rest)
        write_folder(place / "check", check, [family])
        names = ", ".join(f'"{one}"' for one in rest)
        recipe = load_liveness_recipe(
            "pad-small",
            overrides=[
                *RECIPE,
                f"data.root={place / 'photos'}",
                f"run.output={place / 'run'}",
                f"imitation.families=[{names}]",
                "data.near_copy=1",
            ],
        )
        done = export_liveness(train_liveness(recipe, resume=True).path)
        asked = evaluated(done.file, place / "check")
        worst = done.rates.worst
        cells = [text(None if worst is None else worst.apcer), text(done.rates.bpcer)]
        cells += [text(asked.rates.species[0].apcer), text(asked.rates.bpcer), "-"]
        if others:
            write_folder(place / "others", others, [family])
            cells[-1] = text(evaluated(done.file, place / "others").rates.bpcer)
        print(f"| {family} | {' | '.join(cells)} |", flush=True)


def text(rate: CountedRate | None) -> str:
    if rate is None:
        return "none scored"
    ends = rate.interval
    return f"{rate.rate:.1%} of {rate.n} ({ends.low:.1%} to {ends.high:.1%})"


def main() -> None:
    cv2.setNumThreads(1)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--check", type=Path, required=True)
    parser.add_argument("--others", type=Path)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--leave-out", nargs="+", default=list(RECAPTURES), choices=RECAPTURES)
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--checking", type=int, default=150)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
