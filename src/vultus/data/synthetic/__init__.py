"""Faces of people who do not exist, drawn by code."""

from vultus.data.synthetic.conditions import Conditions, draw_conditions
from vultus.data.synthetic.dataset import Split, SyntheticFaces
from vultus.data.synthetic.identity import SyntheticIdentity, draw_identity
from vultus.data.synthetic.render import SyntheticFace, render_face

__all__ = [
    "Conditions",
    "Split",
    "SyntheticFace",
    "SyntheticFaces",
    "SyntheticIdentity",
    "draw_conditions",
    "draw_identity",
    "render_face",
]
