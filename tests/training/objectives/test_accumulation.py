import pytest
import torch

from vultus.data.loading.batch import FaceBatch
from vultus.losses import LOSSES
from vultus.training.objectives.accumulation import batch_weights

CPU = torch.device("cpu")


def batch(labels: list[int]) -> FaceBatch:
    empty = torch.zeros(len(labels), 3, 1, 1, dtype=torch.uint8)
    return FaceBatch(empty, torch.tensor(labels), torch.arange(len(labels)))


def test_the_weighted_means_add_up_to_the_mean_of_one_big_batch() -> None:
    torch.manual_seed(0)
    parts = [[0, 1, -1, 2], [-1, -1, -1, 3], [2, 1, 0]]
    features = [
        torch.randn(len(part), 6, dtype=torch.float64, requires_grad=True) for part in parts
    ]
    loss = LOSSES.create("cosface", num_classes=4, dim=6)
    weight = loss.get_parameter("weight")
    whole = torch.cat(features)
    expected = loss(whole, torch.tensor([label for part in parts for label in part])).loss
    wanted = torch.autograd.grad(expected, [weight, *features])
    weights = batch_weights([batch(part) for part in parts], device=CPU)
    total = sum(
        loss(rows, torch.tensor(part)).loss * weight.labelled
        for rows, part, weight in zip(features, parts, weights, strict=True)
    )
    assert total.item() == pytest.approx(expected.item(), rel=1e-6)
    for own, other in zip(torch.autograd.grad(total, [weight, *features]), wanted, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-7)


def test_a_process_weighs_its_rows_so_that_the_average_over_processes_is_right() -> None:
    weights = batch_weights([batch([0, 1]), batch([1, -1])], device=CPU, processes=2)
    # Alone in this test, so the sum over the processes is its own count: 2 * 2 / 3 and 2 * 1 / 3.
    assert [weight.labelled.item() for weight in weights] == pytest.approx([4 / 3, 2 / 3])
    spanning = batch_weights([batch([0, 1]), batch([1, -1])], device=CPU, processes=2, spans=True)
    assert [weight.labelled.item() for weight in spanning] == pytest.approx([2 / 3, 1 / 3])


def test_without_a_row_that_counts_nothing_moves() -> None:
    assert batch_weights([batch([-1, -1])], device=CPU)[0].labelled.item() == 0


def test_rows_that_can_be_read_count_by_themselves() -> None:
    first = batch([0, -1, -1])._replace(readable=torch.tensor([True, True, False]))
    weights = batch_weights([first, batch([1, 2])], device=CPU, processes=2, spans=True)
    assert [weight.readable.item() for weight in weights] == pytest.approx([2 * 2 / 4, 2 * 2 / 4])
    assert [weight.labelled.item() for weight in weights] == pytest.approx([1 / 3, 2 / 3])
