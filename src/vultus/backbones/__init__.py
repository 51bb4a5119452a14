"""Backbones: ``(b, 3, h, w)`` normalised images to ``(b, dim)`` features."""

from vultus.backbones import attention as _attention  # noqa: F401 - each import registers its networks
from vultus.backbones import edgeface as _edgeface  # noqa: F401
from vultus.backbones import facelivt as _facelivt  # noqa: F401
from vultus.backbones import facenet as _facenet  # noqa: F401
from vultus.backbones import ghostfacenet as _ghostfacenet  # noqa: F401
from vultus.backbones import inception_resnet as _inception_resnet  # noqa: F401
from vultus.backbones import iresnet as _iresnet  # noqa: F401
from vultus.backbones import mobilefacenet as _mobilefacenet  # noqa: F401
from vultus.backbones import spatial_transformer as _spatial_transformer  # noqa: F401
from vultus.backbones import sphereface as _sphereface  # noqa: F401
from vultus.backbones import squeezenet as _squeezenet  # noqa: F401
from vultus.backbones import vgg as _vgg  # noqa: F401
from vultus.backbones import vit as _vit  # noqa: F401
from vultus.backbones import vultusnet as _vultusnet  # noqa: F401
from vultus.backbones.base import (
    BACKBONE_INFO,
    BACKBONES,
    Backbone,
    BackboneInfo,
    Published,
    register_backbone,
)

__all__ = [
    "BACKBONES",
    "BACKBONE_INFO",
    "Backbone",
    "BackboneInfo",
    "Published",
    "register_backbone",
]
