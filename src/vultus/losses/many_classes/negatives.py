"""The other classes' part of a margin softmax, some thousand classes at a time.

The logits of a batch against all classes are (n, C): 1 GB at n = 256 and a million classes, and the
plain computation holds several such tensors beside a normalised copy of the weight. Here one
(n, k) tile lives at a time. `negatives_logsumexp` reduces the tiles to one number a row;
`negatives_backward` computes each tile again and turns it into gradients at once. The weight is
never normalised as a whole: its rows' lengths are divided out of the tile of cosines, and their
part of the gradient is taken off tile by tile.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vultus.losses.margins.functional import softplus
from vultus.losses.margins.target_logit import TargetLogit

_CPU_TILE_BYTES = 2 * 2**20
"""A tile this large stays in a CPU's cache beside its slice of the weight."""

_DEVICE_TILE_BYTES = 32 * 2**20
"""On an accelerator, larger tiles, so that kernel launches do not count."""

KEPT_BYTES = 16 * 2**20
"""The first tiles of cosines, up to this much, are kept for the backward pass: a small problem is
not computed twice."""

_NO_DIRECTION = 1e-8


@dataclass(frozen=True, eq=False)
class Negatives:
    """What the tiles of one batch are made of.

    Attributes:
        unit: (n, d) features of length 1.
        weight: (k, d) class centres of any length.
        inverse_norms: (k,) of ``weight``.
        rows: (n,) int64 row of ``weight`` that is the target, anything outside [0, k) if none is.
        cos_target: (n,) cosine with the target.
        margined_target: (n,) target logit before scaling.
        target_logit: Gives `negatives`.
        scale: 0-d, s.
        log_weights: (k,) added to the classes' logits where they are negatives, or None.
        tile_classes: Classes in a tile, or None to choose by device and batch.
    """

    unit: Tensor
    weight: Tensor
    inverse_norms: Tensor
    rows: Tensor
    cos_target: Tensor
    margined_target: Tensor
    target_logit: TargetLogit
    scale: Tensor
    log_weights: Tensor | None
    tile_classes: int | None


def inverse_row_norms(weight: Tensor) -> Tensor:
    """1 / ||row||; 1 for a row too short to have a direction, as `functional.unit_rows` has it.

    Args:
        weight: (k, d) floating.

    Returns:
        (k,) of the same dtype.
    """
    norms = torch.linalg.vector_norm(weight, dim=1)
    inverse: Tensor = norms.masked_fill_(norms <= _NO_DIRECTION, 1.0).reciprocal_()
    return inverse


def negatives_logsumexp(negatives: Negatives, *, keep: bool) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Log-sum-exp of the negatives' logits of each row, in two numbers.

    Args:
        negatives: The problem.
        keep: Whether a backward pass will follow.

    Returns:
        (n,) maxima (of a row without negatives: the lowest finite number), and (n,) sums of
        exp(logit - maximum), apart so that shards of the classes can be put together; and the
        cosines of the first tiles, as many as `KEPT_BYTES` holds, for `negatives_backward`.
    """
    unit = negatives.unit
    highest = unit.new_full((len(unit),), torch.finfo(unit.dtype).min)
    total = unit.new_zeros(len(unit))
    scratch = unit.new_empty(len(unit) * _tile_classes(negatives))
    kept: list[Tensor] = []
    room = KEPT_BYTES // unit.element_size() if keep else 0
    for start, stop in _tiles(negatives):
        room -= len(unit) * (stop - start)
        own = torch.empty_like(scratch) if room >= 0 else scratch
        cosines = _cosines(negatives, start, stop, out=own)
        tile = cosines
        if negatives.target_logit.changes_negatives:
            tile = negatives.target_logit.negatives(
                cosines, negatives.cos_target, negatives.margined_target
            )
        if room >= 0:
            kept.append(cosines)
            if tile is cosines:
                tile = scratch[: cosines.numel()].view_as(cosines).copy_(cosines)
        logits = _logits(negatives, tile, start, stop)
        higher = torch.maximum(highest, logits.amax(dim=1))
        total.mul_(torch.exp(highest - higher))
        total.add_(logits.sub_(higher[:, None]).exp_().sum(dim=1))
        highest = higher
    return highest, total, kept


def negatives_backward(
    negatives: Negatives,
    lse: Tensor,
    row_gradients: Tensor,
    *,
    kept: Sequence[Tensor],
    weight_gradient: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Gradients of ``sum(row_gradients * logsumexp)`` through the negatives.

    Args:
        negatives: As in the forward pass.
        lse: (n,) log-sum-exp over all logits of the row, the target's and other shards' too.
        row_gradients: (n,) gradient of whatever is minimised with respect to ``lse``.
        kept: Cosines of the first tiles, as `negatives_logsumexp` gave them; not modified.
        weight_gradient: (k, d) to be overwritten with the gradient of the weight, or None if that
            is not needed.

    Returns:
        (n, d) gradient with respect to ``unit`` (before its own normalisation), and the 0-d
        gradient with respect to ``scale``.
    """
    unit = negatives.unit
    gradients = _Gradients(negatives, row_gradients * negatives.scale, weight_gradient)
    scale_gradient = torch.zeros_like(negatives.scale)
    # Two tensors, not two rows of one: those would share autograd's version counter.
    first, second = (unit.new_empty(len(unit) * _tile_classes(negatives)) for _ in range(2))
    for number, (start, stop) in enumerate(_tiles(negatives)):
        if number < len(kept):
            cosines = kept[number]
        else:
            cosines = _cosines(negatives, start, stop, out=first)
        slope, logit_sum = _tile_slope(negatives, cosines, lse, start=start, out=second)
        scale_gradient += torch.dot(row_gradients, logit_sum)
        gradients.add(slope, cosines, start=start, scratch=first)
    return gradients.of_unit(), scale_gradient


@dataclass(frozen=True, eq=False)
class SharedThreshold:
    """Makes of a row's negatives a sum of binary cross-entropies: w n_j softplus(s c_j - b).

    n_j is how many classes j stands for, exp of `Negatives.log_weights`.

    Attributes:
        value: 0-d, b.
        negative_weight: w.
    """

    value: Tensor
    negative_weight: float


def threshold_sums(negatives: Negatives, threshold: SharedThreshold) -> tuple[Tensor, Tensor]:
    """The sum of each row's binary cross-entropies.

    Returns:
        (n,) sums, and (n,) highest logits (the lowest finite number where there is no negative).
    """
    unit = negatives.unit
    highest = unit.new_full((len(unit),), torch.finfo(unit.dtype).min)
    total = unit.new_zeros(len(unit))
    scratch = unit.new_empty(len(unit) * _tile_classes(negatives))
    for start, stop in _tiles(negatives):
        logits = _bare_logits(negatives, _cosines(negatives, start, stop, out=scratch), start)
        highest = torch.maximum(highest, logits.amax(dim=1))
        total += softplus(logits - threshold.value) @ _shares(negatives, start, stop)
    return total * threshold.negative_weight, highest


def threshold_backward(
    negatives: Negatives,
    threshold: SharedThreshold,
    row_gradients: Tensor,
    *,
    weight_gradient: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Gradients of ``sum(row_gradients * sums)``, the sums being those of `threshold_sums`.

    Args:
        negatives: As in the forward pass.
        threshold: As in the forward pass.
        row_gradients: (n,) gradient of whatever is minimised with respect to the sums.
        weight_gradient: See `negatives_backward`.

    Returns:
        (n, d) gradient with respect to ``unit``, and the 0-d gradient with respect to b.
    """
    unit = negatives.unit
    by_sum = row_gradients * threshold.negative_weight
    gradients = _Gradients(negatives, by_sum * negatives.scale, weight_gradient)
    threshold_gradient = torch.zeros_like(threshold.value)
    first, second = (unit.new_empty(len(unit) * _tile_classes(negatives)) for _ in range(2))
    for start, stop in _tiles(negatives):
        cosines = _cosines(negatives, start, stop, out=first)
        slope = second[: cosines.numel()].view_as(cosines).copy_(cosines)
        _bare_logits(negatives, slope, start).sub_(threshold.value).sigmoid_()
        slope.mul_(_shares(negatives, start, stop))
        threshold_gradient -= torch.dot(slope.sum(dim=1), by_sum)
        gradients.add(slope, cosines, start=start, scratch=first)
    return gradients.of_unit(), threshold_gradient


class _Gradients:
    """Gradients through the cosines of the negatives, added up tile by tile.

    Args:
        negatives: The problem.
        by_row: (n,) what multiplies each row's slopes.
        weight_gradient: (k, d) to be overwritten, or None.
    """

    def __init__(
        self, negatives: Negatives, by_row: Tensor, weight_gradient: Tensor | None
    ) -> None:
        self._negatives = negatives
        self._by_row = by_row
        self._of_weight = weight_gradient
        self._scaled_unit = negatives.unit * by_row[:, None]
        self._of_unit = torch.zeros_like(negatives.unit)

    def add(self, slope: Tensor, cosines: Tensor, *, start: int, scratch: Tensor) -> None:
        """One tile: ``slope`` is overwritten, and ``scratch``, which may hold the cosines."""
        stop = start + slope.shape[1]
        rows = self._negatives.weight[start:stop]
        inverse = self._negatives.inverse_norms[start:stop]
        if self._of_weight is not None:
            weighted = torch.mul(cosines, slope, out=scratch[: slope.numel()].view_as(slope))
            along = torch.mv(weighted.t(), self._by_row).mul_(inverse.square())
        slope.mul_(inverse)
        self._of_unit.addmm_(slope, rows)
        if self._of_weight is not None:
            target = self._of_weight[start:stop]
            torch.mm(slope.t(), self._scaled_unit, out=target)
            # The part along the row itself changes only its length, which does not count.
            target.addcmul_(rows, along[:, None], value=-1)

    def of_unit(self) -> Tensor:
        """(n, d), once all tiles are in."""
        return self._of_unit.mul_(self._by_row[:, None])


def _tile_classes(negatives: Negatives) -> int:
    """Classes in a tile; a few thousand for a usual batch on a CPU."""
    classes = len(negatives.weight)
    if negatives.tile_classes is not None:
        return min(negatives.tile_classes, classes)
    budget = _CPU_TILE_BYTES if negatives.unit.device.type == "cpu" else _DEVICE_TILE_BYTES
    fitting = budget // (max(len(negatives.unit), 1) * negatives.unit.element_size())
    return min(max(fitting // 256 * 256, 256), classes)


def _tiles(negatives: Negatives) -> Iterator[tuple[int, int]]:
    classes, step = len(negatives.weight), max(_tile_classes(negatives), 1)
    for start in range(0, classes, step):
        yield start, min(start + step, classes)


def _cosines(negatives: Negatives, start: int, stop: int, *, out: Tensor) -> Tensor:
    """(n, stop - start) cosines with the classes of a tile, in the memory of ``out``."""
    tile = out[: len(negatives.unit) * (stop - start)].view(len(negatives.unit), stop - start)
    torch.mm(negatives.unit, negatives.weight[start:stop].t(), out=tile)
    return tile.mul_(negatives.inverse_norms[start:stop])


def _logits(negatives: Negatives, modulated: Tensor, start: int, stop: int) -> Tensor:
    """Scaled logits of a tile, in place, with minus infinity in the target's column."""
    logits = modulated.mul_(negatives.scale)
    if negatives.log_weights is not None:
        logits.add_(negatives.log_weights[start:stop])
    return _without_target(negatives, logits, start)


def _bare_logits(negatives: Negatives, cosines: Tensor, start: int) -> Tensor:
    """Scaled cosines, in place, with minus infinity in the target's column."""
    return _without_target(negatives, cosines.mul_(negatives.scale), start)


def _shares(negatives: Negatives, start: int, stop: int) -> Tensor:
    """(k,) how many classes each of a tile stands for."""
    if negatives.log_weights is None:
        return negatives.unit.new_ones(stop - start)
    return negatives.log_weights[start:stop].to(negatives.unit.dtype).exp()


def _without_target(negatives: Negatives, logits: Tensor, start: int) -> Tensor:
    """Put minus infinity where a row's own class is."""
    stop = start + logits.shape[1]
    local = negatives.rows - start
    inside = (local >= 0) & (local < stop - start)
    column = local.clamp(0, stop - start - 1)[:, None]
    # Written for every row, to the value it had where the target is elsewhere: no index of a
    # length that depends on the data, for which an accelerator would have to wait.
    kept = logits.gather(1, column).masked_fill_(inside[:, None], -torch.inf)
    return logits.scatter_(1, column, kept)


def _tile_slope(
    negatives: Negatives, cosines: Tensor, lse: Tensor, *, start: int, out: Tensor
) -> tuple[Tensor, Tensor]:
    """Derivative of ``lse`` by each cosine over s, and the sum over the tile of p * logit / s.

    The first is p_ij * dN/dc (n, k), where N is what `TargetLogit.negatives` makes of a cosine, and
    0 in the target's column; the second is (n,).
    """
    stop = start + cosines.shape[1]
    slope = out[: cosines.numel()].view_as(cosines)
    if not negatives.target_logit.changes_negatives:
        slope.copy_(cosines)
        _logits(negatives, slope, start, stop).sub_(lse[:, None]).exp_()
        return slope, torch.linalg.vecdot(slope, cosines)
    with torch.enable_grad():
        leaf = cosines.detach().requires_grad_()
        modulated = negatives.target_logit.negatives(
            leaf, negatives.cos_target, negatives.margined_target
        )
    slope.copy_(modulated.detach())
    _logits(negatives, slope, start, stop).sub_(lse[:, None]).exp_()
    logit_sum = torch.linalg.vecdot(slope, modulated.detach())
    if modulated is leaf:
        return slope, logit_sum
    return torch.autograd.grad(modulated, leaf, slope)[0], logit_sum
