"""Damage to whole photos, by name and strength: what a recogniser is to refuse or to right."""

from vultus.data.damage import covers as _covers  # noqa: F401 - each import enters its operators
from vultus.data.damage import geometry as _geometry  # noqa: F401
from vultus.data.damage import light as _light  # noqa: F401
from vultus.data.damage import relief as _relief  # noqa: F401
from vultus.data.damage import texture as _texture  # noqa: F401
from vultus.data.damage import treatment as _treatment  # noqa: F401
from vultus.data.damage import veils as _veils  # noqa: F401
from vultus.data.damage import warps as _warps  # noqa: F401
from vultus.data.damage import wear as _wear  # noqa: F401
from vultus.data.damage.base import CLEAN, DAMAGES, KINDS, Damage, find_damage

__all__ = ["CLEAN", "DAMAGES", "KINDS", "Damage", "find_damage"]
