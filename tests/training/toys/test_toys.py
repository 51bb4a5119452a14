import pytest
import torch

from vultus.core.errors import InputError, RegistryError
from vultus.losses import LOSSES
from vultus.training.toys.toys import class_scores, digits, synthetic_identities, train_toy


def test_synthetic_identities_are_reproducible_and_balanced() -> None:
    data = synthetic_identities(num_classes=3, per_class=5, seed=4)
    again = synthetic_identities(num_classes=3, per_class=5, seed=4)
    other = synthetic_identities(num_classes=3, per_class=5, seed=5)
    assert torch.equal(data.inputs, again.inputs)
    assert not torch.equal(data.inputs, other.inputs)
    assert torch.bincount(data.labels).tolist() == [5, 5, 5]


def test_digits_are_all_there() -> None:
    data = digits()
    assert data.inputs.shape == (1797, 64)
    assert data.inputs.min() >= 0
    assert data.inputs.max() == 1
    assert data.num_classes == len(torch.bincount(data.labels)) == 10


@pytest.mark.parametrize("name", ["softmax", "cosface", "triplet"])
def test_training_separates_three_identities(name: str) -> None:
    data = synthetic_identities(num_classes=3, per_class=30, spread=0.2)
    settings = {"scale": 16.0} if name == "cosface" else {}
    state = torch.get_rng_state()
    toy = train_toy(data, name, settings=settings, steps=60)
    assert torch.equal(torch.get_rng_state(), state)
    assert toy.accuracy > 0.9
    assert toy.features.shape == (90, 2)
    assert not toy.loss.training
    assert toy.title.splitlines()[0] == name


def test_the_same_seed_gives_the_same_toy() -> None:
    data = synthetic_identities(num_classes=3, per_class=10)
    toys = [train_toy(data, "normface", steps=5, seed=seed) for seed in (1, 1, 2)]
    assert torch.equal(toys[0].features, toys[1].features)
    assert not torch.equal(toys[0].features, toys[2].features)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_scores_are_highest_at_the_own_centre(name: str) -> None:
    torch.manual_seed(0)
    loss = LOSSES.create(name, num_classes=3, dim=2).eval()
    angles = torch.tensor([0.0, 2.1, 4.2])
    centers = torch.stack([angles.cos(), angles.sin()], dim=1)
    weight = getattr(loss, "weight", None)
    if weight is not None:
        weight.data.copy_(centers if weight.ndim == 2 else centers[:, None].expand_as(weight))
    with torch.no_grad():
        scores = class_scores(loss, 5 * centers, (3 * centers, torch.arange(3)))
    assert scores.shape == (3, 3)
    assert scores.argmax(dim=1).tolist() == [0, 1, 2]


def test_unknown_losses_and_settings_are_refused() -> None:
    data = synthetic_identities(num_classes=3, per_class=2)
    with pytest.raises(RegistryError, match="did you mean 'cosface'"):
        train_toy(data, "cosfase", steps=1)
    with pytest.raises(InputError, match="margin"):
        train_toy(data, "cosface", settings={"margin": 1.0}, steps=1)
