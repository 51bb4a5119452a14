"""Published protocols and one for folders of one's own: photos in, figures with intervals out."""

from vultus.evaluation.protocols.base import PROTOCOLS
from vultus.evaluation.protocols.blufr.blufr import Blufr
from vultus.evaluation.protocols.folder import PersonFolder
from vultus.evaluation.protocols.ijb.ijb import Ijb
from vultus.evaluation.protocols.lfw import Lfw
from vultus.evaluation.protocols.megaface.megaface import MegaFace
from vultus.evaluation.protocols.pairs.pairs import PairProtocol
from vultus.evaluation.protocols.ytf.ytf import YouTubeFaces

__all__ = [
    "PROTOCOLS",
    "Blufr",
    "Ijb",
    "Lfw",
    "MegaFace",
    "PairProtocol",
    "PersonFolder",
    "YouTubeFaces",
]
