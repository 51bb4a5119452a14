"""Margins that come in over training: SphereFace's lambda annealing, and a linear warm-up."""

from dataclasses import dataclass

from vultus.core.checks import check_positive_int, check_range


@dataclass(frozen=True)
class LambdaAnnealing:
    """lambda(step) = max(minimum, base (1 + gamma step)^-power).

    The target logit is (lambda cos + target) / (1 + lambda), so a large lambda is plain softmax.

    Source: the settings published with L-Softmax and SphereFace: (1000, 0.12, 1, 5) for SphereFace,
    which is 8.26 at step 1000 and reaches 5 at step 1659; (1000, 2.5e-5, 35, 0) for L-Softmax.

    Attributes:
        base: lambda at step 0.
        gamma: Rate, per step.
        power: Exponent.
        minimum: Where it stops.

    Example:
        >>> round(LambdaAnnealing()(1000), 2)
        8.26
    """

    base: float = 1000.0
    gamma: float = 0.12
    power: float = 1.0
    minimum: float = 5.0

    def __post_init__(self) -> None:
        for name in ("base", "gamma", "power", "minimum"):
            check_range(name, getattr(self, name), low=0)

    def __call__(self, step: int) -> float:
        """Lambda at a step (0 = the first)."""
        return float(max(self.minimum, self.base * (1 + self.gamma * step) ** -self.power))


@dataclass(frozen=True)
class MarginWarmup:
    """Fraction of the full margin at a step: 0 for ``delay`` steps, then a line up to 1.

    A full margin from the first step can stall training from scratch: the target angle starts near
    90 degrees, and all classes look alike.

    Attributes:
        steps: Length of the rise.
        delay: Steps without any margin before it.

    Example:
        >>> warmup = MarginWarmup(steps=100, delay=50)
        >>> [warmup(step) for step in (0, 50, 100, 150, 1000)]
        [0.0, 0.0, 0.5, 1.0, 1.0]
    """

    steps: int
    delay: int = 0

    def __post_init__(self) -> None:
        check_positive_int("steps", self.steps)
        check_positive_int("delay", self.delay, minimum=0)

    def __call__(self, step: int) -> float:
        """Fraction in [0, 1] at a step (0 = the first)."""
        return min(1.0, max(0.0, (step - self.delay) / self.steps))
