"""Random changes of training crops, by the name that recipes use.

Importing this package registers every augmentation in `AUGMENTATIONS`.
"""

from vultus.data.augmentation.base import AUGMENTATIONS, Transform
from vultus.data.augmentation.geometric import Affine, Crop, Flip, Stretch
from vultus.data.augmentation.levels import Posterise
from vultus.data.augmentation.mixup import Mixup
from vultus.data.augmentation.occlusion import Erase, Mask, Sunglasses
from vultus.data.augmentation.photometric import Grey, Photometric
from vultus.data.augmentation.resolution import Blur, Jpeg, LowResolution, MotionBlur, Noise
from vultus.data.augmentation.sequence import Augmentation, AugmentationStep

__all__ = [
    "AUGMENTATIONS",
    "Affine",
    "Augmentation",
    "AugmentationStep",
    "Blur",
    "Crop",
    "Erase",
    "Flip",
    "Grey",
    "Jpeg",
    "LowResolution",
    "Mask",
    "Mixup",
    "MotionBlur",
    "Noise",
    "Photometric",
    "Posterise",
    "Stretch",
    "Sunglasses",
    "Transform",
]
