"""Text: what was meant, where a name is not known."""

from collections.abc import Collection
from difflib import get_close_matches


def did_you_mean(name: str, known: Collection[str], *, most: int = 1) -> str:
    """The end of an error message: ``"; did you mean 'x'?"``, or nothing if none is near.

    Args:
        name: What there is not.
        known: What there is.
        most: How many to name.

    Example:
        >>> did_you_mean("embeding_dim", ["embedding_dim", "mean"])
        "; did you mean 'embedding_dim'?"
    """
    near = get_close_matches(name, known, n=most, cutoff=0.5)
    return f"; did you mean {', '.join(map(repr, near))}?" if near else ""


def unknown_name(name: object, known: Collection[str]) -> str:
    """The end of an error message: a name that there is not, the nearest, and all that there are.

    Example:
        >>> unknown_name("lumens", ["kind", "lumen"])
        "'lumens'; did you mean 'lumen'? (there are: kind, lumen)"
    """
    return f"{name!r}{did_you_mean(str(name), known)} (there are: {', '.join(known)})"
