"""What goes into a batch: samplers that resume."""

from vultus.sampling import offline_sampler as _offline_sampler  # noqa: F401 - each registers its own
from vultus.sampling import samplers as _samplers  # noqa: F401
from vultus.sampling.sampler import SAMPLERS, BatchSampler, Share

__all__ = ["SAMPLERS", "BatchSampler", "Share"]
