import numpy as np
import pytest
import torch

from vultus.core.errors import InputError
from vultus.data.augmentation import Mixup
from vultus.data.augmentation.on_device import change


def one_hot(count: int) -> torch.Tensor:
    """(count, 2, 3, count, 1): a row's pixels tell what it was mixed from; view 1 is half of it."""
    images = torch.eye(count)[:, None, None, :, None].expand(count, 2, 3, count, 1) * 255
    return images * torch.tensor([1.0, 0.5]).reshape(2, 1, 1, 1)


@pytest.mark.parametrize("count", [2, 3, 16])
def test_rows_are_mixtures_of_themselves_and_one_other_row(count: int) -> None:
    for seed in range(10):
        images = one_hot(count)
        mixed = change(Mixup(), images, np.random.default_rng(seed))
        torch.testing.assert_close(mixed[:, 1], mixed[:, 0] / 2)
        shares = mixed[:, 0, 0, :, 0] / 255
        torch.testing.assert_close(shares.sum(dim=1), torch.ones(count))
        assert ((shares > 0).sum(dim=1) == 2).all()
        assert (shares.diagonal() > 0).all()
        others = shares - torch.diag(shares.diagonal())
        assert ((others > 0).sum(dim=0) == 1).all(), "each row is the other one once"


@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_a_rows_own_share_is_beta_distributed(alpha: float) -> None:
    mixed = change(Mixup(alpha), one_hot(400), np.random.default_rng(0))
    own = (mixed[:, 0, 0, :, 0] / 255).diagonal().numpy()
    assert own.mean() == pytest.approx(0.5, abs=0.06)
    assert own.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.15)


def test_one_row_alone_stays() -> None:
    torch.testing.assert_close(change(Mixup(), one_hot(1), np.random.default_rng(0)), one_hot(1))


def test_one_image_is_refused_with_the_way_out() -> None:
    assert Mixup.needs_batch
    with pytest.raises(InputError, match=r"whole batch: set data\.on_device = true"):
        Mixup()(np.zeros((8, 8, 3), np.uint8), np.random.default_rng(0))


@pytest.mark.parametrize("alpha", [0, -1, float("nan"), "1"])
def test_alpha_is_checked(alpha: float) -> None:
    with pytest.raises(InputError, match="alpha"):
        Mixup(alpha)
