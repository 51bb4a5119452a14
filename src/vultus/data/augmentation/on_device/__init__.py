"""The augmentations in torch: whole batches, on the device where they lie.

The settings are those of `vultus.data.augmentation`; importing this package registers the batched
version of each of them in `change`.
"""

from vultus.data.augmentation.on_device import geometric as _geometric  # noqa: F401 - each import registers some
from vultus.data.augmentation.on_device import jpeg as _jpeg  # noqa: F401
from vultus.data.augmentation.on_device import levels as _levels  # noqa: F401
from vultus.data.augmentation.on_device import mixup as _mixup  # noqa: F401
from vultus.data.augmentation.on_device import occlusion as _occlusion  # noqa: F401
from vultus.data.augmentation.on_device import photometric as _photometric  # noqa: F401
from vultus.data.augmentation.on_device import resolution as _resolution  # noqa: F401
from vultus.data.augmentation.on_device.base import change
from vultus.data.augmentation.on_device.sequence import augment_batch

__all__ = ["augment_batch", "change"]
