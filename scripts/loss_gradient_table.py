"""Write docs/reference/losses.md and loss_gradients.md: the losses, and their gradients' errors.

Run it from the repository root: ``python -m scripts.loss_gradient_table``.
"""

from pathlib import Path
from typing import Any

import torch
from scripts.gradient_check import EDGE_CASES, gradient_error, spread_batch, survives

from vultus.losses import LOSS_INFO, LOSSES

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"
CLASSES, DIM, ROWS = 5, 6, 10

# Settings that change which formula runs; every loss is also listed as it comes.
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "a-softmax": [
        {"annealing": None},
        {"multiplier": 1.35, "scale": 30.0, "annealing": None},
        {"annealing": None, "grad": "detached"},
    ],
    "arcface": [
        {"beyond": "smooth"},
        {"beyond": "easy"},
        {"beyond": "plain"},
        {"grad": "detached"},
    ],
    "adaface": [{"concentration": 30.0}],
    "combined": [{"multiplier": 0.9, "margin_rad": 0.4, "margin_cos": 0.15}],
    "contrastive": [{"normalize": True}],
    "elasticface": [{"kind": "cos", "margin": 0.35, "hardest_first": True}],
    "l-softmax": [{"multiplier": 4.0, "annealing": None}],
    "magface": [{"beyond": "easy"}],
    "mv-softmax": [{"kind": "arc", "margin": 0.5}, {"easy_margin": True}],
    "normface": [{"learn_scale": True}],
    "triplet": [
        {"mining": "batch-hard", "margin_distance": "soft", "squared": False, "normalize": False},
        {"mining": "batch-all"},
        {"mining": "hard"},
    ],
}

TABLE_HEAD = """# Table of losses

Every name that `LOSSES.create(name, num_classes=..., dim=..., **settings)` knows. `t` is the angle
between a feature `x` and the centre `W_y` of its own class, `t_j` and `c_j = cos(t_j)` those of the
others, `s` the scale, `target` what takes the place of `cos(t)` in the logit `z_y = s target`;
where only `target` is given, `z_j = s cos(t_j)` and the loss is softmax cross-entropy. Made by
`scripts/loss_gradient_table.py` from what the losses registered.

"""

HEAD = """# Gradients of the losses

Autograd against central differences in float64: the largest disagreement over all entries of the
features' and the parameters' gradients, relative to the largest entry. What a loss detaches by
design is held constant in the differences, so a detached form is checked against its documented
derivative. {rows} features of lengths 0.5 to 60, {classes} classes, dimension {dim}, torch
{torch}; made by `scripts/loss_gradient_table.py`.

Edge cases passed, in float32, with value and all gradients finite in training and in evaluation
mode and over two backward passes: {cases}.

| loss | settings | largest error | edge cases passed |
|---|---|---|---|
"""


def row(name: str, settings: dict[str, Any]) -> str:
    """One line of the table."""
    torch.manual_seed(0)
    loss = LOSSES.create(name, num_classes=CLASSES, dim=DIM, **settings)
    passed = 0
    for case in EDGE_CASES.values():
        batch = case(loss)
        passed += survives(loss.eval(), batch) and survives(loss.train(), batch)
    torch.manual_seed(0)
    loss = LOSSES.create(name, num_classes=CLASSES, dim=DIM, **settings).eval()
    batch = spread_batch(loss, rows=ROWS, generator=torch.Generator().manual_seed(3))
    error = gradient_error(loss, batch)
    text = ", ".join(f"{key}={value!r}" for key, value in settings.items())
    cell = f"`{text}`" if text else "as it comes"
    return f"| `{name}` | {cell} | {error:.0e} | {passed} of {len(EDGE_CASES)} |\n"


def loss_table() -> str:
    """A Markdown table: name, paper, formula, settings with their units, module.

    Losses of other packages without a `LossInfo` are listed by name.
    """
    lines = ["| name | from | formula | settings | module |", "|---|---|---|---|---|"]
    for name in LOSSES:
        module = getattr(LOSSES.get(name), "__module__", "")
        info = LOSS_INFO.get(name)
        if info is None:
            lines.append(f"| `{name}` | | | | `{module}` |")
            continue
        numbers = [] if info.arxiv is None else info.arxiv.split(", ")
        links = [f"[arXiv:{number}](https://arxiv.org/abs/{number})" for number in numbers]
        settings = [f"`{setting}`: {meaning}" for setting, meaning in info.parameters.items()]
        formula = info.equation.replace("|", "\\|")
        cells = [
            f"`{name}`",
            ", ".join([info.paper, *links]),
            f"`{formula}`",
            "; ".join(settings).replace("|", "\\|"),
            f"`{module}`",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write both pages."""
    torch.set_num_threads(1)
    head = HEAD.format(
        rows=ROWS,
        classes=CLASSES,
        dim=DIM,
        torch=torch.__version__.split("+")[0],
        cases="; ".join(EDGE_CASES),
    )
    rows = [row(name, settings) for name in LOSSES for settings in [{}, *VARIANTS.get(name, [])]]
    REFERENCE.mkdir(parents=True, exist_ok=True)
    (REFERENCE / "losses.md").write_text(TABLE_HEAD + loss_table(), encoding="utf-8")
    (REFERENCE / "loss_gradients.md").write_text(head + "".join(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
