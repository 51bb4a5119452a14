"""The fused computation against the plain one, which it must equal for any margin and tiling."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from vultus.core.errors import InputError
from vultus.losses.base import IGNORED
from vultus.losses.many_classes import negatives as tiles
from vultus.losses.many_classes.fused import ClassLayout, fused_margin_cross_entropy
from vultus.losses.margins.target_logit import (
    ArcFaceLogit,
    CombinedLogit,
    CosFaceLogit,
    NormFaceLogit,
    TargetLogit,
)
from vultus.losses.margins.target_logit_adaptive import (
    AdaFaceLogit,
    CircleLogit,
    CurricularLogit,
    MagFaceLogit,
    MvLogit,
)

TARGET_LOGITS: list[TargetLogit] = [
    NormFaceLogit(),
    CosFaceLogit(0.2),
    CosFaceLogit(torch.linspace(0, 0.5, 7, dtype=torch.float64)),
    ArcFaceLogit(0.5),
    ArcFaceLogit(0.5, beyond="smooth"),
    CombinedLogit(4.0),
    CombinedLogit(1.35, 0.1, 0.05),
    MagFaceLogit(norm_low=0.5, norm_high=6),
    AdaFaceLogit(norm_mean=2.0, norm_std=1.0),
    MvLogit(CosFaceLogit(0.3), weight=1.3),
    CurricularLogit(margin_rad=0.6, level=0.4),
    CircleLogit(),
]
by_target_logit = pytest.mark.parametrize(
    "target_logit", TARGET_LOGITS, ids=lambda p: type(p).__name__
)


def plain(
    features: Tensor, weight: Tensor, labels: Tensor, target_logit: TargetLogit, scale: Any
) -> Tensor:
    """Row losses by the definition, one row and one class at a time."""
    norms = features.norm(dim=1)
    cosines = F.cosine_similarity(features[:, None], weight[None], dim=2)
    cos_target = torch.stack([cosines[i, y] for i, y in enumerate(labels.tolist())])
    margined_target = target_logit(cos_target, norms)
    others = target_logit.negatives(cosines, cos_target, margined_target)
    losses = []
    for i, label in enumerate(labels.tolist()):
        logits = [others[i, j] for j in range(len(weight)) if j != label]
        everything = torch.stack([margined_target[i], *logits]) * scale
        losses.append(torch.logsumexp(everything, 0) - everything[0])
    return torch.stack(losses)


def problem(n: int = 7, d: int = 5, classes: int = 13) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(4)
    draw: Callable[..., Tensor] = torch.randn
    features = draw(n, d, generator=generator, dtype=torch.float64) * 1.5
    weight = draw(classes, d, generator=generator, dtype=torch.float64) * 0.3
    labels = torch.randint(classes, (n,), generator=generator)
    labels[1] = labels[0]
    return features.requires_grad_(), weight.requires_grad_(), labels


@by_target_logit
@pytest.mark.parametrize("tile_classes", [1, 4, 13, 100])
def test_values_and_gradients_are_those_of_the_definition(
    target_logit: TargetLogit, tile_classes: int
) -> None:
    features, weight, labels = problem()
    scale = torch.tensor(9.0, dtype=torch.float64, requires_grad=True)
    inputs = (features, weight, scale)
    row_weights = torch.linspace(-1, 2, 7, dtype=torch.float64)
    expected = plain(features, weight, labels, target_logit, scale)
    wanted = torch.autograd.grad(expected @ row_weights, inputs)
    rows = fused_margin_cross_entropy(
        features,
        weight,
        labels,
        target_logit=target_logit,
        scale=scale,
        layout=ClassLayout(tile_classes=tile_classes),
    )
    got = torch.autograd.grad(rows.losses @ row_weights, inputs)
    torch.testing.assert_close(rows.losses, expected, rtol=0, atol=1e-13)
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


@by_target_logit
def test_gradcheck(target_logit: TargetLogit) -> None:
    features, weight, labels = problem()
    scale = torch.tensor(5.0, dtype=torch.float64, requires_grad=True)

    def losses(x: Tensor, w: Tensor, s: Tensor) -> Tensor:
        layout = ClassLayout(tile_classes=5)
        return fused_margin_cross_entropy(
            x, w, labels, target_logit=target_logit, scale=s, layout=layout
        ).losses

    if isinstance(target_logit, (CircleLogit, AdaFaceLogit)):
        pytest.skip("by definition not the gradient of its value: it detaches weights or norms")
    assert torch.autograd.gradcheck(losses, (features, weight, scale), atol=1e-6)


@by_target_logit
@pytest.mark.parametrize("kept_tiles", [0, 1, 2])
def test_what_is_kept_for_the_backward_pass_changes_nothing(
    target_logit: TargetLogit, kept_tiles: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, weight, labels = problem()
    layout = ClassLayout(tile_classes=5)

    def gradients() -> tuple[Tensor, ...]:
        rows = fused_margin_cross_entropy(
            features, weight, labels, target_logit=target_logit, scale=9.0, layout=layout
        )
        loss = rows.losses.sum()
        first = torch.autograd.grad(loss, (features, weight), retain_graph=True)
        again = torch.autograd.grad(loss, (features, weight))
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
        return first

    everything = gradients()
    monkeypatch.setattr(tiles, "KEPT_BYTES", kept_tiles * 7 * 5 * 8)
    for one, other in zip(gradients(), everything, strict=True):
        assert torch.equal(one, other)


def test_log_weights_are_added_to_negatives_only() -> None:
    features, weight, labels = problem()
    log_weights = torch.linspace(-2, 3, 13, dtype=torch.float64)
    layout = ClassLayout(log_weights=log_weights, tile_classes=4)
    target_logit = CosFaceLogit(0.2)
    rows = fused_margin_cross_entropy(
        features, weight, labels, target_logit=target_logit, scale=7.0, layout=layout
    )
    logits = 7 * F.normalize(features) @ F.normalize(weight).T + log_weights
    target = 7 * (F.cosine_similarity(features, weight[labels]) - 0.2)
    expected = F.cross_entropy(logits.scatter(1, labels[:, None], target[:, None]), labels)
    inputs = (features, weight)
    torch.testing.assert_close(rows.losses.mean(), expected)
    wanted = torch.autograd.grad(expected, inputs)
    got = torch.autograd.grad(rows.losses.mean(), inputs)
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_an_ignored_row_has_no_loss_and_no_gradient() -> None:
    features, weight, labels = problem()
    kept = torch.tensor([0, 1, 3, 4, 5, 6])
    ignoring = labels.clone()
    ignoring[2] = IGNORED
    rows = fused_margin_cross_entropy(
        features, weight, ignoring, target_logit=ArcFaceLogit(), scale=8.0
    )
    got = torch.autograd.grad(rows.losses.sum(), (features, weight))
    fewer = fused_margin_cross_entropy(
        features[kept], weight, labels[kept], target_logit=ArcFaceLogit(), scale=8.0
    )
    wanted = torch.autograd.grad(fewer.losses.sum(), (features, weight))
    assert rows.losses[2] == 0
    torch.testing.assert_close(rows.losses[kept], fewer.losses)
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("cosine", [-1.0, 0.0, 1.0])
@by_target_logit
def test_gradients_are_finite_where_the_arc_cosine_is_singular(
    target_logit: TargetLogit, cosine: float
) -> None:
    if isinstance(target_logit, CosFaceLogit) and isinstance(target_logit.margin_cos, Tensor):
        pytest.skip("its margins are made for seven rows")
    features = torch.tensor([[2.0, 0.0]], requires_grad=True)
    direction = [cosine, (1 - cosine**2) ** 0.5]
    weight = torch.tensor([direction, [0.6, 0.8]], requires_grad=True)
    rows = fused_margin_cross_entropy(
        features, weight, torch.tensor([0]), target_logit=target_logit, scale=64.0
    )
    rows.losses.sum().backward()  # type: ignore[no-untyped-call]
    assert features.grad is not None
    assert weight.grad is not None
    assert torch.isfinite(rows.losses).all()
    assert torch.isfinite(features.grad).all()
    assert torch.isfinite(weight.grad).all()


def test_a_single_class_costs_nothing() -> None:
    features = torch.ones(2, 3, requires_grad=True)
    rows = fused_margin_cross_entropy(
        features,
        torch.ones(1, 3),
        torch.zeros(2, dtype=torch.int64),
        target_logit=CosFaceLogit(),
        scale=64.0,
    )
    rows.losses.sum().backward()  # type: ignore[no-untyped-call]
    assert rows.losses.tolist() == [0, 0]
    assert features.grad is not None
    assert features.grad.abs().max() == 0


def test_small_losses_keep_their_digits() -> None:
    features = torch.tensor([[1.0, 0.0]])
    weight = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    rows = fused_margin_cross_entropy(
        features, weight, torch.tensor([0]), target_logit=NormFaceLogit(), scale=30.0
    )
    # The plain form, lse - z, gives 0 here: exp(-30) is below float32's resolution at 30.
    assert rows.losses.item() == pytest.approx(9.357623e-14, rel=1e-5, abs=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_features_are_computed_in_float32(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(4, 16, generator=generator).to(dtype).requires_grad_()
    weight = torch.randn(9, 16, generator=generator)
    labels = torch.arange(4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rows = fused_margin_cross_entropy(
            features, weight, labels, target_logit=ArcFaceLogit(), scale=64.0
        )
        rows.losses.mean().backward()  # type: ignore[no-untyped-call]
    precise = fused_margin_cross_entropy(
        features.detach().float(), weight, labels, target_logit=ArcFaceLogit(), scale=64.0
    )
    assert torch.equal(rows.losses, precise.losses)
    assert features.grad is not None
    assert features.grad.dtype == dtype


def test_backward_twice_and_inputs_untouched() -> None:
    features, weight, labels = problem()
    before = features.detach().clone(), weight.detach().clone()
    losses = fused_margin_cross_entropy(
        features, weight, labels, target_logit=MvLogit(), scale=9.0
    ).losses
    first = torch.autograd.grad(losses.sum(), (features, weight), retain_graph=True)
    second = torch.autograd.grad(losses.sum(), (features, weight))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert torch.equal(features, before[0])
    assert torch.equal(weight, before[1])


def test_only_wanted_gradients_are_made() -> None:
    features, weight, labels = problem()
    target_logit = ArcFaceLogit()
    rows = fused_margin_cross_entropy(
        features, weight.detach(), labels, target_logit=target_logit, scale=9.0
    )
    (alone,) = torch.autograd.grad(rows.losses.sum(), (features,))
    rows = fused_margin_cross_entropy(
        features, weight, labels, target_logit=target_logit, scale=9.0
    )
    both = torch.autograd.grad(rows.losses.sum(), (features, weight))
    assert torch.equal(alone, both[0])


def test_statistics() -> None:
    features, weight, labels = problem()
    rows = fused_margin_cross_entropy(
        features, weight, labels, target_logit=CosFaceLogit(), scale=9.0
    )
    cosines = F.normalize(features.detach()) @ F.normalize(weight.detach()).T
    torch.testing.assert_close(rows.cos_target, cosines[torch.arange(7), labels])
    torch.testing.assert_close(rows.norms, features.norm(dim=1))
    others = cosines.scatter(1, labels[:, None], -2)
    torch.testing.assert_close(rows.highest_negative, 9 * others.amax(1))


def test_what_cannot_be_computed_is_refused() -> None:
    features, weight, labels = problem()
    margins = torch.zeros(7, dtype=torch.float64, requires_grad=True)
    with pytest.raises(InputError, match="no tensor that wants a gradient"):
        fused_margin_cross_entropy(
            features, weight, labels, target_logit=CosFaceLogit(margins), scale=9.0
        )
    with pytest.raises(InputError, match="weight must be"):
        fused_margin_cross_entropy(
            features, weight.float(), labels, target_logit=CosFaceLogit(), scale=9.0
        )
    shift = 13 - labels[0]
    with pytest.raises(InputError, match="got 13 in row 0"):
        fused_margin_cross_entropy(
            features, weight, labels + shift, target_logit=CosFaceLogit(), scale=9
        )


class _Largest(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Remembers how large the largest new tensor was."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.numel = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        known = {a.untyped_storage().data_ptr() for a in args if isinstance(a, Tensor)}
        for tensor in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(tensor, Tensor) and tensor.untyped_storage().data_ptr() not in known:
                self.numel = max(self.numel, tensor.untyped_storage().nbytes() // tensor.itemsize)
        return out


@pytest.mark.parametrize(
    "target_logit", [ArcFaceLogit(), CurricularLogit()], ids=lambda p: type(p).__name__
)
def test_no_tensor_is_as_large_as_batch_by_classes(target_logit: TargetLogit) -> None:
    batch, dim, classes = 64, 8, 20_000
    features = torch.randn(batch, dim, requires_grad=True)
    weight = torch.randn(classes, dim, requires_grad=True)
    labels = torch.randint(classes, (batch,))
    with _Largest() as largest:
        rows = fused_margin_cross_entropy(
            features, weight, labels, target_logit=target_logit, scale=64.0
        )
        forward = largest.numel
        rows.losses.mean().backward()  # type: ignore[no-untyped-call]
    tile = 2**19  # 2 MB of float32
    assert forward <= tile
    assert largest.numel <= tile  # the weight's gradient, 160,000, included
    assert tile < batch * classes
