import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vultus.core.errors import InputError
from vultus.training.run.state_tree import digest, flatten, rebuild

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
)
KEYS = st.text(max_size=4) | st.integers() | st.sampled_from(["$tensor", "$items", "a.b", "a"])
TREES = st.dictionaries(
    KEYS,
    st.recursive(
        SCALARS,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.lists(inner, max_size=3).map(tuple)
            | st.dictionaries(KEYS, inner, max_size=3)
        ),
        max_leaves=8,
    ),
    max_size=4,
)


def same(first: Any, second: Any) -> bool:
    """Equal in value and kind: 1, 1.0 and True are three different things, 0.0 and -0.0 too."""
    if type(first) is not type(second):
        return False
    if isinstance(first, torch.Tensor):
        return first.dtype == second.dtype and torch.equal(first, second)
    if isinstance(first, dict):
        keys = [(type(key), key) for key in first] == [(type(key), key) for key in second]
        return keys and all(same(first[key], second[key]) for key in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second) and repr(first) == repr(second)


@given(TREES)
def test_values_come_back_as_they_were(tree: dict[Any, Any]) -> None:
    text, tensors = flatten(tree)
    assert tensors == {}
    assert same(rebuild(text, tensors), tree)


def test_numbers_that_json_has_not_come_back() -> None:
    back = rebuild(*flatten({"best": -math.inf, "loss": math.nan, "high": math.inf}))
    assert back["best"] == -math.inf
    assert math.isnan(back["loss"])
    assert back["high"] == math.inf


@pytest.mark.parametrize("name", ["sgd", "adamw", "adagrad"])
def test_an_optimizers_state_comes_back_exactly(name: str) -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    groups: list[dict[str, Any]] = [
        {"params": [model.weight], "weight_decay": 0.1},
        {"params": [model.bias]},
    ]
    makers: dict[str, Callable[[], torch.optim.Optimizer]] = {
        "sgd": lambda: torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True),
        "adamw": lambda: torch.optim.AdamW(groups, betas=(0.9, 0.99)),
        "adagrad": lambda: torch.optim.Adagrad(groups),
    }
    optimizer = makers[name]()
    model(torch.randn(4, 3)).square().sum().backward()
    optimizer.step()
    state = optimizer.state_dict()
    assert same(rebuild(*flatten(state)), state)


def test_names_of_tensors_are_their_paths_and_never_clash() -> None:
    one, two, three = torch.zeros(1), torch.ones(1), torch.full((1,), 2.0)
    state = {"a.b": one, "a": {"b": two}, "__metadata__": three}
    text, tensors = flatten(state)
    assert list(tensors) == ["a.b", "a.b#2", "__metadata__#2"]
    assert same(rebuild(text, tensors), state)


def test_what_a_checkpoint_cannot_hold_is_refused_with_its_place() -> None:
    with pytest.raises(InputError, match=r"got builtins.set at optimizer.groups.1"):
        flatten({"optimizer": {"groups": [1, {2}]}})
    with pytest.raises(InputError, match=r"must be dense, got torch.sparse_coo at grads.w"):
        flatten({"grads": {"w": torch.zeros(2, 2).to_sparse()}})


@pytest.mark.parametrize(
    "text", ["[", "[]", '{"$tensor":"gone"}', '{"$what":1}', '{"a":{"$no":0}}']
)
def test_a_text_that_is_no_state_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="the text must describe a"):
        rebuild(text, {})


def test_the_digest_sees_every_difference() -> None:
    base = {"w": torch.zeros(2, 2), "n": 1}
    others = [
        {"w": torch.zeros(2, 2), "n": 1.0},
        {"w": torch.zeros(4), "n": 1},
        {"w": torch.zeros(2, 2, dtype=torch.int32), "n": 1},
        {"w": -torch.zeros(2, 2), "n": 1},
        {"v": torch.zeros(2, 2), "n": 1},
    ]
    digests = {digest(*flatten(state)) for state in [base, *others]}
    assert len(digests) == 1 + len(others)
    assert digest(*flatten({"w": torch.zeros(2, 2).t(), "n": 1})) in digests
