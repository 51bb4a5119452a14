"""Every -tiny recipe once: does it learn, and how long does it take on one CPU core?

    python -m benchmarks.tiny_recipes --runs runs/tiny -o benchmarks/results/tiny_recipes.md

A run is a JSON file in --runs; what is there is not run again. The accuracy is that of the recipe's
first evaluation set, people whom the training never sees, at the last step; before it the same of
the untrained network. It is what ``vultus train NAME-tiny`` says at its end. The faces, which a
command would draw for itself, are drawn once for all recipes; what that takes is a column.
"""

import argparse
import json
import platform
import shlex
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import torch

from vultus.data import open_dataset
from vultus.data.synthetic import SyntheticFaces
from vultus.training.data_selection import open_faces
from vultus.training.recipe.recipe import Recipe
from vultus.training.recipe.recipe_file import load_recipe, recipe_names
from vultus.training.trainer import Trainer
from vultus.training.validation import CropEmbedder, open_validations


class DrawnOnce:
    """Keeps what synthetic data sets draw, for all of them.

    Attributes:
        seconds: CPU time of drawing.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._faces: dict[str, Any] = {}
        self._draw = SyntheticFaces._drawn
        SyntheticFaces._drawn = lambda faces, index: self.face(faces, index)  # type: ignore[method-assign, assignment]

    def face(self, faces: SyntheticFaces, index: int) -> Any:
        """The face, drawn if need be."""
        name = faces.source(index)
        if name not in self._faces:
            started = time.process_time()
            self._faces[name] = self._draw(faces, index)
            self.seconds[name] = time.process_time() - started
        return self._faces[name]

    def of(self, recipe: Recipe) -> float:
        """CPU time that drawing a recipe's faces takes, once they are drawn."""
        faces = [open_faces(recipe.data)]
        faces += [open_dataset(None, s.kind, **s.settings) for s in recipe.evaluation.sets]
        names = (part.source(index) for part in faces for index in range(len(part)))
        return sum(self.seconds.get(name, 0.0) for name in names)


def run(name: str, overrides: list[str], drawn: DrawnOnce) -> dict[str, Any]:
    """Run a recipe as the command line would, and say what came out."""
    with tempfile.TemporaryDirectory() as folder:
        recipe = load_recipe(name, overrides=[f"run.output={folder}/{name}", *overrides])
        trainer = Trainer(recipe)
        embedder = CropEmbedder(
            trainer.state.backbone,
            input=recipe.input,
            config=recipe.evaluation,
            device=torch.device("cpu"),
        )
        before = open_validations(recipe.evaluation.sets[:1])[0].run(embedder)
        for index in range(len(trainer.dataset)):
            trainer.dataset.image(index)
        wall, cpu = time.perf_counter(), time.process_time()
        result = Trainer(recipe).run()
        if not result.complete:  # the trainer answers a signal by ending early
            raise SystemExit("stopped; the same command runs what is missing")
    return {
        "recipe": name,
        "overrides": overrides,
        "steps": result.step,
        "wall_s": time.perf_counter() - wall,
        "cpu_s": time.process_time() - cpu,
        "drawing_s": drawn.of(recipe),
        "untrained": before.accuracy.mean,
        **result.summary["evaluation"][0],
        "date": datetime.now(UTC).date().isoformat(),
    }


def table(results: list[dict[str, Any]]) -> str:
    """Results as Markdown, by name."""
    lines = [
        "| recipe | steps | CPU s of training | of drawing | untrained % | accuracy % "
        "| 95 % interval | pairs | date |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    lines += [
        f"| `{row['recipe']}` | {row['steps']} | {row['cpu_s']:.0f} "
        f"| {row['drawing_s']:.0f} | {100 * row['untrained']:.1f} "
        f"| {100 * row['accuracy']:.1f} "
        f"| {100 * row['accuracy_low']:.1f} to {100 * row['accuracy_high']:.1f} "
        f"| {row['n_pairs']:,} | {row['date']} |"
        for row in results
    ]
    return "\n".join(lines) + "\n"


def _needs_a_teacher(name: str) -> bool:
    return any(stage.distillation is not None for stage in load_recipe(name).stages)


def main() -> None:
    """Run what is missing; print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", required=True, type=Path)
    parser.add_argument(
        "--recipes", nargs="+", help="default: all that end in -tiny and need no other run"
    )
    parser.add_argument("--set", nargs="+", default=[], help="overrides, key=value")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    options.runs.mkdir(parents=True, exist_ok=True)
    drawn = DrawnOnce()
    names = options.recipes
    if names is None:
        names = [name for name in recipe_names() if name.endswith("-tiny")]
        names = [name for name in names if not _needs_a_teacher(name)]
    for name in names:
        path = options.runs / f"{name}.json"
        if not path.exists():
            result = run(name, options.set, drawn)
            path.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
            print(f"{name}: {result['accuracy']:.2%} in {result['cpu_s']:.0f} CPU s", flush=True)
    results = [json.loads(path.read_text("utf-8")) for path in sorted(options.runs.glob("*.json"))]
    text = (
        "# The small recipes, run once each\n\n"
        f"`python -m benchmarks.tiny_recipes {shlex.join(sys.argv[1:])}`, one process with one "
        f"thread; Python {platform.python_version()}, torch {torch.__version__}, "
        f"{platform.machine()}. The machine was busy with other work, so time is CPU time: of "
        "training and evaluation, and of drawing the faces, which `vultus train NAME` does for "
        "itself and this command once for all. One run each: differences of a point or two mean "
        "nothing.\n\n"
        f"{table(results)}"
    )
    print(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
