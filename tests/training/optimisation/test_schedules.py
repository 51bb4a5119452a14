import pytest
import torch

from vultus.core.errors import InputError
from vultus.training.optimisation.schedules import lr_factor
from vultus.training.recipe.stage_config import ScheduleConfig


def torch_factors(scheduler: type, steps: int, **settings: object) -> list[float]:
    """What torch's own scheduler makes of a rate of 1."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    made = scheduler(optimizer, **settings)
    factors = []
    for _ in range(steps):
        factors.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        made.step()
    return factors


def factors(steps: int, **settings: object) -> list[float]:
    schedule = ScheduleConfig(**settings)  # type: ignore[arg-type]
    return [lr_factor(schedule, step, total_steps=steps) for step in range(steps)]


def test_curves_are_those_of_torch() -> None:
    schedulers = torch.optim.lr_scheduler
    cosine = torch_factors(schedulers.CosineAnnealingLR, 50, T_max=50, eta_min=0.1)
    assert factors(50, name="cosine", final_factor=0.1) == pytest.approx(cosine, abs=1e-9)
    polynomial = torch_factors(schedulers.PolynomialLR, 50, total_iters=50, power=2.0)
    assert factors(50, name="polynomial", power=2.0) == pytest.approx(polynomial, abs=1e-9)
    steps = torch_factors(schedulers.MultiStepLR, 50, milestones=[20, 30], gamma=0.1)
    assert factors(50, name="step", milestones=(20, 0.6)) == pytest.approx(steps)


def test_a_warmup_rises_to_the_height_and_the_curve_fills_the_rest() -> None:
    curve = factors(20, name="cosine", warmup_steps=4)
    assert curve[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert curve[4:] == pytest.approx(factors(16, name="cosine"))


def test_milestones_count_from_the_start_of_the_stage() -> None:
    curve = factors(20, name="step", warmup_steps=4, milestones=(10,))
    assert curve[9:11] == pytest.approx([1.0, 0.1])


def test_an_exponential_fall_after_a_time_at_the_height() -> None:
    curve = factors(20, name="exponential", hold=0.6, final_factor=0.001)
    assert curve[:13] == [1.0] * 13
    assert curve[16] == pytest.approx(0.001**0.5)
    schedule = ScheduleConfig(name="exponential", hold=0.6, final_factor=0.001)
    assert lr_factor(schedule, 20, total_steps=20) == pytest.approx(0.001)
    with pytest.raises(InputError, match="final_factor must be above 0"):
        ScheduleConfig(name="exponential")


def test_past_the_end_it_stays() -> None:
    schedule = ScheduleConfig(name="polynomial", final_factor=0.25)
    assert lr_factor(schedule, 99, total_steps=10) == 0.25
