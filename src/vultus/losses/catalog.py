"""The table of all losses, made from what they registered."""

from vultus.losses.base import LOSS_INFO, LOSSES


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
