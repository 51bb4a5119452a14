"""Whether a small network learns: eight patterns in noise, told apart."""

from collections.abc import Callable

import torch
from torch.nn.functional import cross_entropy


def told_apart(make: Callable[[], torch.nn.Module], *, n_steps: int) -> float:
    """Share of 32 images that a network has right after so many steps of as many.

    Args:
        make: Makes it, from the generator of torch: (n, 3, 32, 32) to (n, 8).
        n_steps: How many.
    """
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    patterns = torch.randn(8, 3, 32, 32, generator=generator)
    net = make()
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
    labels = torch.arange(8).repeat(4)
    for _ in range(n_steps):
        images = patterns[labels] + torch.randn(32, 3, 32, 32, generator=generator)
        loss = cross_entropy(net(images), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        images = patterns[labels] + torch.randn(32, 3, 32, 32, generator=generator)
        return float((net(images).argmax(dim=1) == labels).float().mean())
