"""Target logits: what a margin makes of the cosine between a face and its own class.

A margin softmax replaces the target cosine ``c = cos(theta)`` by a ``target(c) <= c``. Each kind is
a small frozen callable without parameters of its own, so that a plain head, a fused head and a plot
can share it. Values are exact on the whole of [-1, 1]; gradients are finite everywhere, because the
only singular step, the arc cosine, goes through `angle`.

`TargetLogit.negatives` is where a loss also changes the other classes' cosines; what looks at the
sample is in `target_logit_adaptive`.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor

from vultus.core.checks import check_range
from vultus.core.errors import InputError

Beyond = Literal["fallback", "smooth", "easy", "plain"]
"""What ArcFace does where theta + margin would leave [0, pi]; see `ArcFaceLogit`."""


class _Angle(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, cos: Tensor) -> Tensor:
        ctx.save_for_backward(cos)
        return torch.acos(cos.clamp(-1, 1))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (cos,) = ctx.saved_tensors
        # (1 - c)(1 + c) keeps the digits that 1 - c * c loses near the ends.
        floor = torch.finfo(cos.dtype).eps
        sin = ((1 - cos) * (1 + cos)).clamp_min(floor).sqrt()
        slope: Tensor = -grads[0] / sin
        return slope


def angle(cos: Tensor) -> Tensor:
    """The angle of a cosine, exact in value and with a finite gradient everywhere.

    The derivative -1/sin(theta) is cut off where sin(theta) < sqrt(eps) of the dtype. The gradient
    with respect to a *feature* stays right there: it is this derivative times a vector of length
    sin(theta) / ||x||, which vanishes at the same rate.

    Args:
        cos: Any shape, float32 or float64; values outside [-1, 1] (rounding) are clamped.

    Returns:
        Angles in radians, [0, pi], same shape and dtype.
    """
    out: Tensor = _Angle.apply(cos)  # type: ignore[no-untyped-call]
    return out


def piecewise_cos(angle_rad: Tensor) -> Tensor:
    """The cosine continued so that it never rises: (-1)^k cos(a) - 2k with k = floor(a / pi).

    Args:
        angle_rad: Any real angles.

    Returns:
        Equal to cos(a) on [0, pi]; continuous and non-increasing on the whole axis.

    Source: Liu et al., "Large-Margin Softmax Loss", ICML 2016,
    arXiv 1612.02295, for a real angle.
    """
    k = torch.floor(angle_rad.detach() / math.pi)
    sign = 1 - 2 * torch.remainder(k, 2)
    return sign * torch.cos(angle_rad) - 2 * k


@dataclass(frozen=True, eq=False)
class TargetLogit:
    """What every target logit offers; on its own it is the plain cosine.

    Attributes:
        margins: Names of the fields that a margin warm-up multiplies.
    """

    margins: ClassVar[tuple[str, ...]] = ()

    @property
    def monotone(self) -> bool:
        """Whether it never rises with theta on [0, pi]."""
        return True

    @property
    def changes_negatives(self) -> bool:
        """Whether `negatives` does anything; a head may skip the call if not."""
        return False

    @property
    def uses_norms(self) -> bool:
        """Whether the call needs ``norms``."""
        return False

    def __call__(self, cos_target: Tensor, norms: Tensor | None = None) -> Tensor:
        """The target logit before scaling.

        Args:
            cos_target: (n,) cosines between features and the centres of their own classes.
            norms: (n,) feature lengths; only some kinds look at them.

        Returns:
            (n,) target(c), differentiable in ``cos_target`` (and ``norms`` where it says so).
        """
        return cos_target

    def negatives(self, cos: Tensor, cos_target: Tensor, margined_target: Tensor) -> Tensor:
        """The other classes' logits before scaling; works on any slice of the classes.

        The column of the target class may be among them: what comes out there is replaced by
        ``margined_target`` anyway. The result depends on ``cos`` alone as far as gradients go.

        Args:
            cos: (n, k) cosines with k classes.
            cos_target: (n,) as given to the call.
            margined_target: (n,) what the call returned.

        Returns:
            (n, k); element (i, j) is a function of ``cos[i, j]`` and row scalars only.
        """
        return cos

    def uneased(self) -> "TargetLogit":
        """The same with its margin at every angle, where it has an easy form; else itself."""
        return self

    def scaled(self, fraction: float) -> Self:
        """The same with its margins multiplied by ``fraction`` (margin warm-up): 0 = none."""
        return replace(self, **{name: getattr(self, name) * fraction for name in self.margins})


@dataclass(frozen=True, eq=False)
class NormFaceLogit(TargetLogit):
    """cos(theta): no margin (Wang et al., "NormFace", arXiv 1704.06369)."""


@dataclass(frozen=True, eq=False)
class CosFaceLogit(TargetLogit):
    """cos(theta) - m (CosFace, arXiv 1801.09414; AM-Softmax, arXiv 1801.05599).

    Attributes:
        margin_cos: m, in units of cosine; a float, or an (n,) tensor with one margin a row.
        easy: The margin only where cos(theta) > m, the plain cosine elsewhere, as the authors of
            MV-Softmax train it. Jumps *up* by m at cos(theta) = m: not monotone.
    """

    margins: ClassVar[tuple[str, ...]] = ("margin_cos",)
    margin_cos: float | Tensor = 0.35
    easy: bool = False

    @property
    def monotone(self) -> bool:
        """See `TargetLogit.monotone`."""
        return not self.easy

    def __call__(self, cos_target: Tensor, norms: Tensor | None = None) -> Tensor:
        """cos(theta) - m, everywhere or where it is above 0."""
        margined = cos_target - self.margin_cos
        return torch.where(margined > 0, margined, cos_target) if self.easy else margined

    def uneased(self) -> TargetLogit:
        """See `TargetLogit.uneased`."""
        return replace(self, easy=False) if self.easy else self


@dataclass(frozen=True, eq=False)
class ArcFaceLogit(TargetLogit):
    """cos(theta + m) up to theta = pi - m (Deng et al., "ArcFace", arXiv 1801.07698).

    Past pi - m the cosine would rise again, and reward a worse angle. ``beyond`` says what then:

    - ``"fallback"``: cos(theta) - m sin(m). Monotone, gradient 1; steps down at pi - m.
    - ``"smooth"``: `piecewise_cos`, -cos(theta + m) - 2. Monotone and continuous.
    - ``"easy"``: the margin only where theta < pi / 2, the plain cosine elsewhere. Jumps *up* by
      sin(m) at pi / 2, so a face just under it is worse off than one just over: not monotone.
    - ``"plain"``: cos(theta + m) everywhere. Not monotone.

    Attributes:
        margin_rad: m in radians, [0, pi); a float, or an (n,) tensor with one margin a row.
        beyond: See above.
    """

    margins: ClassVar[tuple[str, ...]] = ("margin_rad",)
    margin_rad: float | Tensor = 0.5
    beyond: Beyond = "fallback"

    def __post_init__(self) -> None:
        if isinstance(self.margin_rad, (int, float)):
            check_range("margin_rad", self.margin_rad, low=0, high=math.pi, high_open=True)
        if self.beyond not in ("fallback", "smooth", "easy", "plain"):
            raise InputError(
                f"beyond must be 'fallback', 'smooth', 'easy' or 'plain', got {self.beyond!r}"
            )

    @property
    def monotone(self) -> bool:
        """See `TargetLogit.monotone`."""
        return self.beyond in ("fallback", "smooth")

    def uneased(self) -> TargetLogit:
        """See `TargetLogit.uneased`."""
        return replace(self, beyond="plain") if self.beyond == "easy" else self

    def __call__(self, cos_target: Tensor, norms: Tensor | None = None) -> Tensor:
        """cos(theta + m), and ``beyond`` past pi - m."""
        theta = angle(cos_target)
        margin = torch.as_tensor(self.margin_rad, dtype=theta.dtype, device=theta.device)
        if self.beyond == "smooth":
            return piecewise_cos(theta + margin)
        shifted = torch.cos(theta + margin)
        if self.beyond == "plain":
            return shifted
        if self.beyond == "easy":
            return torch.where(cos_target > 0, shifted, cos_target)
        fallback = cos_target - margin * torch.sin(margin)
        return torch.where(cos_target > torch.cos(math.pi - margin), shifted, fallback)


@dataclass(frozen=True, eq=False)
class CombinedLogit(TargetLogit):
    """piecewise_cos(m1 theta + m2) - m3: all three margins at once, monotone for any of them.

    (m, 0, 0) is that of SphereFace (arXiv 1704.08063) and L-Softmax (arXiv 1612.02295) for any real
    m; (1, m, 0) is smooth ArcFace; (1, 0, m) is CosFace; (1, .3, .2) is "CM1" of the ArcFace paper.

    Attributes:
        multiplier: m1, above 0 (a factor of the angle, no unit).
        margin_rad: m2 in radians, at least 0.
        margin_cos: m3 in units of cosine.
    """

    multiplier: float = 1.0
    margin_rad: float = 0.0
    margin_cos: float = 0.0

    def __post_init__(self) -> None:
        check_range("multiplier", self.multiplier, low=0, low_open=True, high=100)
        check_range("margin_rad", self.margin_rad, low=0, high=math.pi)
        check_range("margin_cos", self.margin_cos, low=0, high=2)

    def __call__(self, cos_target: Tensor, norms: Tensor | None = None) -> Tensor:
        """piecewise_cos(m1 theta + m2) - m3."""
        angles = self.multiplier * angle(cos_target) + self.margin_rad
        return piecewise_cos(angles) - self.margin_cos

    def scaled(self, fraction: float) -> Self:
        """Less margin, see `TargetLogit.scaled`; a multiplier without effect is 1, not 0."""
        return replace(
            self,
            multiplier=1 + (self.multiplier - 1) * fraction,
            margin_rad=self.margin_rad * fraction,
            margin_cos=self.margin_cos * fraction,
        )


@dataclass(frozen=True, eq=False)
class WrappedLogit(TargetLogit):
    """Another target logit; what a subclass does not change is the other's.

    Attributes:
        target_logit: The other.
    """

    target_logit: TargetLogit

    @property
    def monotone(self) -> bool:
        """See `TargetLogit.monotone`."""
        return self.target_logit.monotone

    @property
    def changes_negatives(self) -> bool:
        """See `TargetLogit.changes_negatives`."""
        return self.target_logit.changes_negatives

    @property
    def uses_norms(self) -> bool:
        """See `TargetLogit.uses_norms`."""
        return self.target_logit.uses_norms

    def __call__(self, cos_target: Tensor, norms: Tensor | None = None) -> Tensor:
        """See `TargetLogit`."""
        return self.target_logit(cos_target, norms)

    def negatives(self, cos: Tensor, cos_target: Tensor, margined_target: Tensor) -> Tensor:
        """See `TargetLogit.negatives`."""
        return self.target_logit.negatives(cos, cos_target, margined_target)

    def uneased(self) -> TargetLogit:
        """See `TargetLogit.uneased`."""
        return replace(self, target_logit=self.target_logit.uneased())

    def scaled(self, fraction: float) -> Self:
        """See `TargetLogit.scaled`."""
        return replace(self, target_logit=self.target_logit.scaled(fraction))


@dataclass(frozen=True, eq=False)
class AnnealedLogit(WrappedLogit):
    """(lambda c + target(c)) / (1 + lambda): eased in as lambda falls (SphereFace, L-Softmax).

    Attributes:
        target_logit: What is eased in; must leave the negatives alone.
        lambda_: lambda, at least 0; 0 is the full margin.
    """

    lambda_: float

    def __post_init__(self) -> None:
        check_range("lambda_", self.lambda_, low=0)
        if self.changes_negatives:
            raise InputError(
                "annealing needs a target logit that leaves negatives alone, "
                f"got {self.target_logit}"
            )

    def __call__(self, cos_target: Tensor, norms: Tensor | None = None) -> Tensor:
        """(lambda c + target(c)) / (1 + lambda)."""
        margined = self.target_logit(cos_target, norms)
        return (self.lambda_ * cos_target + margined) / (1 + self.lambda_)


@dataclass(frozen=True, eq=False)
class DetachedLogit(WrappedLogit):
    """The value of another with the gradient of the plain cosine: c + stopgrad(target(c) - c).

    What several public training codes do by editing logits outside the graph; SphereFace-R (arXiv
    2109.05565) names it "characteristic gradient detachment" and finds that it steadies training.
    The derivative is 1 instead of target'(c), and norms get no gradient. Negatives keep their own.
    """

    def __call__(self, cos_target: Tensor, norms: Tensor | None = None) -> Tensor:
        """target(c), with derivative 1."""
        return cos_target + (self.target_logit(cos_target, norms) - cos_target).detach()
