"""Features of several networks as one, the way of DeepID."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from vultus.baselines.vectors import Floats, check_vectors
from vultus.core.checks import check_range
from vultus.core.errors import InputError


def join_features(parts: Sequence[Any], *, weights: Sequence[float] | None = None) -> Floats:
    """Put the features of several networks (or crops) of the same faces side by side.

    Each part is scaled to length 1 first, so that no network outweighs another by its scale. The
    dot product of two results is the weighted mean of the parts' cosine similarities.

    Args:
        parts: Each (n, dim of its network) float32 or float64, no row of zeros; the same n.
        weights: How much each part counts, above 0; None = all the same.

    Returns:
        (n, sum of the dims) float64, rows of length 1. Give them to `JointBayesian` or `Pca`.

    Raises:
        InputError: If there is no part, or shapes, dtypes or weights do not match.

    Source:
        Sun et al., Deep Learning Face Representation by Joint Identification-Verification,
        NeurIPS 2014 (DeepID2): features of 25 crops side by side, then PCA and Joint Bayesian.
    """
    if len(parts) == 0:
        raise InputError("join_features needs at least one part, got none")
    shares = [1.0] * len(parts) if weights is None else list(weights)
    if len(shares) != len(parts):
        raise InputError(f"weights must be one per part, got {len(shares)} for {len(parts)}")
    total = sum(check_range("weight", share, low=0, low_open=True) for share in shares)
    rows = len(parts[0])
    scaled = []
    for number, (part, share) in enumerate(zip(parts, shares, strict=True)):
        checked = check_vectors(f"parts[{number}]", part)
        lengths = np.linalg.norm(checked, axis=1, keepdims=True)
        if len(checked) != rows or (lengths == 0).any():
            raise InputError(
                f"parts must have the same number of rows and no row of zeros, "
                f"got {len(checked)} rows in parts[{number}], {rows} in parts[0]"
            )
        scaled.append(checked / lengths * np.sqrt(share / total))
    return np.concatenate(scaled, axis=1)
