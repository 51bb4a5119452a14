"""Psi functions that wrap another: eased in by lambda, or with its gradient detached."""

from dataclasses import dataclass, replace

from torch import Tensor

from vultus.core.checks import check_range
from vultus.core.errors import InputError
from vultus.losses.margins.target_logit import PsiBase


@dataclass(frozen=True, eq=False)
class AnnealedPsi(PsiBase):
    """(lambda c + psi(c)) / (1 + lambda): a psi eased in as lambda falls (SphereFace, L-Softmax).

    Attributes:
        psi: What is eased in; must leave the negatives alone.
        lambda_: lambda, at least 0; 0 is psi itself.
    """

    psi: PsiBase
    lambda_: float

    def __post_init__(self) -> None:
        check_range("lambda_", self.lambda_, low=0)
        if self.psi.changes_negatives:
            raise InputError(f"annealing needs a psi that leaves negatives alone, got {self.psi}")

    @property
    def monotone(self) -> bool:
        """See `PsiBase.monotone`."""
        return self.psi.monotone

    @property
    def uses_norms(self) -> bool:
        """See `PsiBase.uses_norms`."""
        return self.psi.uses_norms

    def __call__(self, cos_target: Tensor, norms: Tensor | None = None) -> Tensor:
        """(lambda c + psi(c)) / (1 + lambda)."""
        margined = self.psi(cos_target, norms)
        return (self.lambda_ * cos_target + margined) / (1 + self.lambda_)

    def scaled(self, fraction: float) -> "AnnealedPsi":
        """Less margin, see `PsiBase.scaled`."""
        return replace(self, psi=self.psi.scaled(fraction))


@dataclass(frozen=True, eq=False)
class DetachedPsi(PsiBase):
    """The value of psi with the gradient of the plain cosine: c + stopgrad(psi(c) - c).

    What several public training codes do by editing logits outside the graph; SphereFace-R (arXiv
    2109.05565) names it "characteristic gradient detachment" and finds that it steadies training.
    The derivative is 1 instead of psi'(c), and norms get no gradient.

    Attributes:
        psi: The psi whose value is kept. Its negatives keep their own gradient.
    """

    psi: PsiBase

    @property
    def monotone(self) -> bool:
        """See `PsiBase.monotone`."""
        return self.psi.monotone

    @property
    def changes_negatives(self) -> bool:
        """See `PsiBase.changes_negatives`."""
        return self.psi.changes_negatives

    @property
    def uses_norms(self) -> bool:
        """See `PsiBase.uses_norms`."""
        return self.psi.uses_norms

    def __call__(self, cos_target: Tensor, norms: Tensor | None = None) -> Tensor:
        """psi(c), with derivative 1."""
        return cos_target + (self.psi(cos_target, norms) - cos_target).detach()

    def negatives(self, cos: Tensor, cos_target: Tensor, psi_target: Tensor) -> Tensor:
        """Those of the wrapped psi."""
        return self.psi.negatives(cos, cos_target, psi_target)

    def scaled(self, fraction: float) -> "DetachedPsi":
        """Less margin, see `PsiBase.scaled`."""
        return replace(self, psi=self.psi.scaled(fraction))
