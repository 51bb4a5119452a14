"""A running mean of the weights, which is steadier than the weights themselves."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from vultus.core.checks import check_range
from vultus.core.errors import CheckpointError


class Ema:
    """Exponential moving average of a network's weights and buffers.

    After each step: mean <- d mean + (1 - d) weight, with d = min(decay, (1 + n) / (10 + n)) after
    n earlier steps: a young mean follows quickly, so that the random start is soon forgotten.
    Floating buffers (running statistics of batch normalisation) are averaged as weights are;
    integer ones (counters) are copied. Non-persistent buffers are left alone. The mean is kept in
    float32 for narrower weights.

    Source: TensorFlow's ``ExponentialMovingAverage`` with ``num_updates``, as in Sandberg's
    FaceNet training, where the decay is 0.9999.

    Args:
        module: The network; not wrapped, and on its device already.
        decay: d in the long run, in [0, 1).

    Attributes:
        updates: Steps averaged so far.

    Example:
        >>> layer = nn.Linear(1, 1, bias=False)
        >>> _ = layer.weight.data.fill_(1.0)
        >>> ema = Ema(layer, decay=0.9)
        >>> _ = layer.weight.data.fill_(2.0)
        >>> ema.update()  # d = (1 + 0) / (10 + 0)
        >>> with ema.swapped_in():
        ...     print(f"{layer.weight.item():.1f}")
        1.9
        >>> layer.weight.item()
        2.0
    """

    def __init__(self, module: nn.Module, *, decay: float = 0.9999) -> None:
        self.decay = check_range("decay", decay, low=0, high=1, high_open=True)
        self.updates = 0
        self._module = module
        self._means = {
            name: tensor.to(_wide(tensor.dtype), copy=True)
            for name, tensor in _tensors(module).items()
        }

    @torch.no_grad()
    def update(self) -> None:
        """Take the weights that a step has just changed into the mean."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        means, values = [], []
        for name, tensor in _tensors(self._module).items():
            mean = self._means[name]
            if not tensor.is_floating_point():
                mean.copy_(tensor)
                continue
            means.append(mean)
            values.append(tensor.to(mean.dtype))
        torch._foreach_lerp_(means, values, 1 - decay)

    @contextmanager
    def swapped_in(self) -> Iterator[None]:
        """While this lasts, the network holds the mean; afterwards its own weights, bit for bit."""
        tensors = _tensors(self._module)
        with torch.no_grad():
            own = {name: tensor.clone() for name, tensor in tensors.items()}
            for name, tensor in tensors.items():
                tensor.copy_(self._means[name])
        try:
            yield
        finally:
            with torch.no_grad():
                for name, tensor in tensors.items():
                    tensor.copy_(own[name])

    def weights(self) -> dict[str, Tensor]:
        """The mean in the dtypes of the network, ready for its ``load_state_dict``; copies."""
        own = _tensors(self._module)
        return {name: mean.to(own[name].dtype, copy=True) for name, mean in self._means.items()}

    def state_dict(self) -> dict[str, Any]:
        """The mean and how many steps it is of. Tensors are not copied."""
        return {"updates": self.updates, "means": dict(self._means)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with a saved mean.

        Raises:
            CheckpointError: If it is of another network.
        """
        means = state["means"]
        for name in sorted(self._means.keys() | means.keys()):
            own, new = self._means.get(name), means.get(name)
            if own is None or new is None or own.shape != new.shape:
                raise CheckpointError(
                    f"the saved mean of the weights must be of this network, but {name} is "
                    f"{_shape(new)} there and {_shape(own)} here; resume with the same backbone"
                )
        self.updates = int(state["updates"])
        for name, mean in self._means.items():
            mean.copy_(means[name])


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and persistent buffers by name: the module's own memory, no copies."""
    saved = module.state_dict()
    named = [*module.named_parameters(), *module.named_buffers()]
    return {name: tensor.detach() for name, tensor in named if name in saved}


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32) if dtype.is_floating_point else dtype


def _shape(tensor: Tensor | None) -> str:
    return "missing" if tensor is None else str(tuple(tensor.shape))
