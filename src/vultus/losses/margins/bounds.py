"""What scales, margins and loss values can be: bounds in closed form."""

import math

from vultus.core.checks import check_positive_int, check_range


def _classes(num_classes: int, minimum: int = 2) -> int:
    return check_positive_int("num_classes", num_classes, minimum=minimum)


def expected_initial_loss(
    num_classes: int, *, scale: float, dim: int, target_drop: float = 0.0
) -> float:
    """Loss of a margin softmax at random initialisation: ln C + s delta + s^2 / (2 d).

    A first training loss far from it means wrong labels, scale or weights.

    Args:
        num_classes: C.
        scale: s. The approximation wants s^2 / d small against ln C.
        dim: d, feature length.
        target_drop: delta = -target(90 deg): sin(m) for ArcFace, m for CosFace, else 0.

    Example:
        >>> round(expected_initial_loss(10_572, scale=64, dim=512, target_drop=math.sin(0.5)), 2)
        43.95
    """
    check_range("scale", scale, low=0)
    check_positive_int("dim", dim)
    return math.log(_classes(num_classes, 1)) + scale * target_drop + scale**2 / (2 * dim)


def normface_minimum_loss(num_classes: int, *, scale: float) -> float:
    """The value that a normalised softmax cannot get below: ln(1 + (C-1) exp(-s C/(C-1))).

    Source: Wang et al., "NormFace", arXiv 1704.06369, proposition 2, with s the squared norm.

    Example:
        >>> round(normface_minimum_loss(10_572, scale=1), 2)  # no wonder that s = 1 does not train
        8.27
    """
    n = _classes(num_classes)
    exponent = math.log(n - 1) - scale * n / (n - 1)
    # log1p(exp(x)) without overflow
    return max(exponent, 0.0) + math.log1p(math.exp(-abs(exponent)))


def normface_minimum_scale(num_classes: int, *, loss: float) -> float:
    """The scale from which a normalised softmax can reach ``loss``; inverts the bound above.

    Args:
        num_classes: C.
        loss: Target value, above 0.
    """
    n = _classes(num_classes)
    check_range("loss", loss, low=0, low_open=True)
    return (n - 1) / n * (math.log(n - 1) - math.log(math.expm1(loss)))


def cosface_minimum_scale(num_classes: int, *, probability: float) -> float:
    """The scale from which the mean posterior of the target can reach ``probability``.

    s >= (C-1)/C ln((C-1) P / (1-P)).

    Source: Wang et al., "CosFace", arXiv 1801.09414.

    Example:
        >>> round(cosface_minimum_scale(10_572, probability=0.9), 2)
        11.46
    """
    n = _classes(num_classes)
    check_range("probability", probability, low=0, high=1, low_open=True, high_open=True)
    return (n - 1) / n * math.log((n - 1) * probability / (1 - probability))


def cosface_maximum_margin(num_classes: int, *, dim: int) -> float:
    """The largest cosine margin that C evenly spread centres leave room for.

    1 - cos(2 pi / C) in two dimensions; C / (C-1) for C <= d + 1; for more classes that same
    figure, which is then only an upper bound far from reach.

    Source: Wang et al., "CosFace", arXiv 1801.09414.
    """
    n = _classes(num_classes)
    if check_positive_int("dim", dim, minimum=2) == 2:
        return 1 - math.cos(2 * math.pi / n)
    return n / (n - 1)


def l2_softmax_minimum_scale(num_classes: int, *, probability: float) -> float:
    """ln(P (C-2) / (1-P)): target logit s, C - 2 classes at 90 degrees, the opposite one left out.

    Source: Ranjan et al., "L2-constrained Softmax", arXiv 1703.09507.
    """
    n = _classes(num_classes, 3)
    check_range("probability", probability, low=0, high=1, low_open=True, high_open=True)
    return math.log(probability * (n - 2) / (1 - probability))


def coco_minimum_scale(num_classes: int, *, loss: float) -> float:
    """ln((C-1) / (e^loss - 1)) / 2, from loss >= ln(1 + (C-1) exp(-2 s)); a weak bound.

    It lets every other centre lie opposite, which only two classes can.

    Args:
        num_classes: C.
        loss: Target value, above 0.
    """
    check_range("loss", loss, low=0, low_open=True)
    return 0.5 * (math.log(_classes(num_classes) - 1) - math.log(math.expm1(loss)))


def adacos_scale(num_classes: int) -> float:
    """sqrt(2) ln(C - 1), the fixed scale of AdaCos (Zhang et al., arXiv 1905.00292)."""
    return math.sqrt(2) * math.log(_classes(num_classes, 3) - 1)


def magface_minimum_regulariser(
    *, scale: float, norm_range: tuple[float, float], margin_range_rad: tuple[float, float]
) -> float:
    """The regulariser weight from which MagFace's optimal norm is unique and grows with quality.

    lambda_g >= s K u^2 l^2 / (u^2 - l^2), K = (u_m - l_m) / (u - l).

    Source: Meng et al., "MagFace", arXiv 2103.06627.

    Example:
        >>> weight = magface_minimum_regulariser(
        ...     scale=64, norm_range=(10, 110), margin_range_rad=(0.45, 0.8))
        >>> round(weight, 4)
        22.5867
    """
    low, high = norm_range
    check_range("norm_range", high, low=low, low_open=True)
    slope = (margin_range_rad[1] - margin_range_rad[0]) / (high - low)
    return scale * slope * high**2 * low**2 / (high**2 - low**2)
