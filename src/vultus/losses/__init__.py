"""Losses: ``(features, labels) -> (scalar, statistics)``; pure functions with thin modules."""

from vultus.losses.base import LOSS_INFO, LOSSES, Loss, LossInfo, LossOutput, register_loss
from vultus.losses.centres import center as _center  # noqa: F401
from vultus.losses.centres import classification as _classification  # noqa: F401
from vultus.losses.centres import euclidean as _euclidean  # noqa: F401
from vultus.losses.margins import adaptive as _adaptive  # noqa: F401 - each import registers its losses
from vultus.losses.margins import cr_fiqa as _cr_fiqa  # noqa: F401
from vultus.losses.margins import fixed as _fixed  # noqa: F401
from vultus.losses.margins import sphereface as _sphereface  # noqa: F401
from vultus.losses.pairwise import contrastive as _contrastive  # noqa: F401
from vultus.losses.pairwise import margin_based as _margin_based  # noqa: F401
from vultus.losses.pairwise import triplet as _triplet  # noqa: F401

__all__ = ["LOSSES", "LOSS_INFO", "Loss", "LossInfo", "LossOutput", "register_loss"]
