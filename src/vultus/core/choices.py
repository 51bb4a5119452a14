"""What a user can choose by a word, and what is taken when nothing is said.

Imports nothing: the command line shows these words in its help before any model, array or picture
is needed. Names that a registry holds stand here a second time; a test compares them.
"""

from typing import Literal

Selection = Literal["only", "largest", "central"]
"""``only``: there must be exactly one that can be judged; ``largest``: the largest box;
``central``: the one whose box centre is nearest to the photo's; of boxes the part in the photo."""

Task = Literal["detection", "embedding", "quality", "antispoof"]
"""What a model is for."""

Colour = Literal["rgb", "bgr"]
"""The order of a network's input channels."""

Flip = Literal["none", "add", "concat"]
"""What is done with a crop's mirrored view."""

Runtime = Literal["auto", "onnxruntime", "openvino"]
"""An engine, or ``"auto"``: OpenVINO where it is installed and knows the provider."""

Precision = Literal["f32", "bf16"]
"""The arithmetic inside the graph; inputs and outputs are the graph's own dtypes either way."""

Weights = Literal["auto", "last", "ema", "best"]
"""Which of a run's weights; ``"auto"``: the running mean if there is one, else the last."""

Storage = Literal["f32", "f16", "int8"]
"""How a file keeps its weights. All of them are computed with in float32."""

RightingWay = Literal["turns", "widths"]
"""What may be tried on a photo of which no face can be trusted as it is stored."""

RIGHTING_WAYS: tuple[RightingWay, ...] = ("turns", "widths")

DEFAULT_DETECTOR = "mtcnn"
DEFAULT_EMBEDDER = "vultus-s2"
DEFAULT_LIVENESS = ("minifasnet-v2", "minifasnet-v1se")
DEFAULT_TEMPLATE = "arcface-112"
DEFAULT_FMR = 1e-3
DEFAULT_FPIR = 0.01
DEFAULT_MAX_FNIR = 0.5
"""Who would miss more than every second of the enrolled is told so instead of answered."""

DEFAULT_PRIOR = 0.5
DEFAULT_SELECT: Selection = "only"
"""Everywhere: a photo that shows several people says itself whose it is, or is not taken."""

TEMPLATE_NAMES = ("arcface-112", "facenet-160", "sphereface-112x96")
DATASET_NAMES = ("folder", "list", "recordio", "synthetic", "webdataset")
WRITER_NAMES = ("folder", "zip", "recordio", "webdataset")
PROTOCOL_NAMES = (
    "agedb-30", "blufr", "calfw", "cfp-fp", "cplfw", "folder", "ijb-b", "ijb-c", "lfw",
    "megaface", "pairs", "ytf",
)  # fmt: skip

CROP_SELECTS = ("only", "largest", "central", "person")
"""How `data align` chooses a face; ``person``: nearest to the centre of the person's photos."""

CROP_ENDINGS = (".png", ".webp", ".jpg")
"""Formats of crops."""

BaselineKind = Literal["joint-bayesian", "pca-svm"]
"""A classical head on embeddings: see `vultus.baselines`."""

DEFAULT_PART_PHOTOS = 256
"""Photos of one task and file of work in bulk; what a killed process loses."""

DEFAULT_HANGS_AFTER_S = 600.0
"""A process of work in bulk that gets through no photo for so long is taken to hang."""

DEFAULT_MOST_FACES = 10_000
"""Faces that work in bulk groups at once: their similarities take 400 MB in a worker."""
