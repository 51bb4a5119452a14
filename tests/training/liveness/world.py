"""A site in small: people who are drawn, and prints and screens of them that are imitated.

What a network learns from it says nothing of real attacks; it shows that training works.
"""

from pathlib import Path

import numpy as np

from vultus.data.recapture import recaptured
from vultus.data.synthetic import SyntheticFaces
from vultus.image.io import write_image
from vultus.training.liveness.recipe import LivenessRecipe, load_liveness_recipe

LONGER = ("fit.epochs=30", "fit.learning_rate=0.01")
"""Settings by which the tiny network learns to tell imitations from drawn faces."""
SPECIES = {"print": "print-halftone", "screen": "screen-waves"}


def write_site(root: Path, *, people: int = 9, photos: int = 3, split: str = "person") -> Path:
    """``live/`` and two species; without folders of people, names say who it is."""
    drawn = SyntheticFaces(identities=people, images=photos, split="train")
    rng = np.random.default_rng(0)
    for place in range(len(drawn)):
        who, image = drawn.labels[place], drawn.image(place)
        for kind, family in {"live": None, **SPECIES}.items():
            folder = root / "live" if family is None else root / "attack" / kind
            name = f"p{who}/{place}.png" if split == "person" else f"p{who}-{place}.png"
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_image(folder / name, image if family is None else recaptured(image, family, rng))
    return root


def recipe_of(root: Path, output: Path, *more: str) -> LivenessRecipe:
    """The tiny recipe, for crops as small as these."""
    return load_liveness_recipe(
        "pad-tiny",
        overrides=[
            f"data.root={root}",
            f"run.output={output}",
            "crop.context=1",
            "crop.size_px=40",
            "data.min_photos=10",
            "data.setting=0.3",
            "data.held_out=0.3",
            "fit.epochs=3",
            "fit.batch_size=16",
            "run.device=cpu",
            *more,
        ],
    )
