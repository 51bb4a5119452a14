"""Decision rules as they are told."""

from typing import Annotated, NotRequired, cast

from pydantic import Field
from typing_extensions import TypedDict

from vultus.core.thresholds import Threshold


class ThresholdTold(TypedDict):
    """A decision rule, with what its rate stands on."""

    similarity: Annotated[float, Field(description="From this cosine on.")]
    fmr: Annotated[float | None, Field(description="False match rate; null if nobody knows it.")]
    n_impostor: Annotated[int | None, Field(description="Comparisons it was measured on.")]
    origin: Annotated[str, Field(description="Where the number comes from, in words.")]
    n_false: NotRequired[
        Annotated[int, Field(description="How many of these comparisons reached it.")]
    ]
    fmr_by_tail: NotRequired[
        Annotated[float, Field(description="By a fitted tail, beyond what was counted.")]
    ]


def threshold_told(threshold: Threshold) -> ThresholdTold:
    """A rule as it is told."""
    return cast(ThresholdTold, threshold.to_dict())
