"""Text: what was meant, where a name is not known."""

from collections.abc import Collection
from difflib import get_close_matches


def did_you_mean(name: str, known: Collection[str]) -> str:
    """The end of an error message: ``"; did you mean 'x'?"``, or nothing if none is near.

    Example:
        >>> did_you_mean("embeding_dim", ["embedding_dim", "mean"])
        "; did you mean 'embedding_dim'?"
    """
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""
