"""Photos in, faces out: found, aligned, measured and embedded in batches."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vultus.alignment.align import align_faces
from vultus.core.choices import (
    DEFAULT_DETECTOR,
    DEFAULT_EMBEDDER,
    DEFAULT_SELECT,
    RIGHTING_WAYS,
    Precision,
    RightingWay,
    Runtime,
    Selection,
)
from vultus.core.crops import AlignedCrops
from vultus.core.embeddings import Embeddings
from vultus.core.errors import LivenessError, NoFaceError, QualityError, TooManyFacesError
from vultus.core.faces import Faces, Image
from vultus.core.phases import phase
from vultus.detection.base import Detector, too_small_to_see
from vultus.embedding.embedder import Embedder
from vultus.liveness.passive import PassiveLiveness, open_passive_liveness
from vultus.models.cards import ModelCard
from vultus.pipeline.face_cache import FaceCache, FileState, KnownPhoto, setting_key
from vultus.pipeline.liveness import with_liveness
from vultus.pipeline.opened_models import OpenedModels
from vultus.pipeline.photos import (
    AnalysedPhoto,
    DetectedPhoto,
    ErrorHandler,
    PhotoSource,
    load_chunks,
    photo_name,
    read_photo,
    tell,
)
from vultus.pipeline.righting import Reader, check_ways
from vultus.pipeline.selection import select_face
from vultus.pipeline.watcher import Watcher
from vultus.quality.gate import QualityGate
from vultus.quality.measures import measure_quality
from vultus.quality.trust import Trust

_DEFAULT_GATE = QualityGate()
_SURE = 0.35
"""How far a face of a righted photo must be trusted: of undamaged development faces 95 % are."""

_WINDOW = 256
"""So many photos are looked up, and kept, at once."""


class Analyser(OpenedModels):
    """Finds the faces of photos and turns them into embeddings; what `Recognizer` stands on.

    Opening is cheap: models are loaded when first needed. One instance may serve several threads.

    Args:
        detector: A registered detector's name, with another model of the store or settings if
            wanted (``yunet:yunet-n-dynamic``, ``mtcnn:min_face_px=60``; see
            `vultus.detection.base.open_detector`), or an object that detects.
        embedder: A model's name in the store, a path to an ONNX file known to it, a card, or an
            open `Embedder`.
        gate: What a face must satisfy to be compared; None compares whatever was found.
        runtime: ``auto``, ``onnxruntime`` or ``openvino``, for models opened here.
        precision: ``f32`` or ``bf16``, for the embedder opened here.
        threads: Threads per model; None leaves it to the runtime.
        righting: What is tried on a photo of which no face can be trusted as stored: turns of the
            photo (three more detections at most), other widths where faces seem to be stretched
            (three more crops a face at most, no detection).
        liveness: What looks for presentation attacks, or the name or file of a network of the task
            antispoof, which is opened at once: a face that it suspects, or cannot judge, is
            refused like one that the gate refuses, wherever photos are compared or enrolled. None
            does not look.

    Attributes:
        cache: Where `known_photos`, and what stands on it (`Recognizer.enroll`, `find_person`),
            keeps the faces of files; None keeps nothing.
        most_faces: A photo with more faces is refused before any is embedded; None takes any
            number. For a service, where whoever sends photos sets how long they take.
        watcher: Is told of every photo and decision, for a service's metrics; None is nobody.
        threads: As given.
    """

    def __init__(
        self,
        *,
        detector: str | Detector = DEFAULT_DETECTOR,
        embedder: str | Path | ModelCard | Embedder = DEFAULT_EMBEDDER,
        gate: QualityGate | None = _DEFAULT_GATE,
        runtime: Runtime = "auto",
        precision: Precision = "f32",
        threads: int | None = None,
        righting: Sequence[RightingWay] = RIGHTING_WAYS,
        liveness: PassiveLiveness | str | Path | None = None,
    ) -> None:
        super().__init__(detector, embedder, runtime=runtime, precision=precision, threads=threads)
        self.righting = check_ways(righting)
        if isinstance(liveness, (str, Path)):
            liveness = open_passive_liveness([liveness], runtime=runtime, threads=threads)
        self.liveness = liveness
        self.gate = gate
        self.cache: FaceCache | None = None
        self.most_faces: int | None = None
        self.watcher: Watcher | None = None

    def __getstate__(self) -> dict[str, Any]:
        """For pickling, as other processes get it: models opened by name are opened there anew."""
        return super().__getstate__() | {"watcher": None}

    def detect(self, photo: PhotoSource) -> Faces:
        """Find the faces of one photo, best score first.

        Raises:
            ImageError: If the photo cannot be read.
        """
        return self.detector.detect(read_photo(photo))

    def detect_many(
        self, photos: Iterable[PhotoSource], *, on_error: ErrorHandler | None = None
    ) -> Iterator[DetectedPhoto]:
        """Find the faces of any number of photos; memory does not grow with their number.

        Args:
            photos: Sources, consumed lazily.
            on_error: Called for each unreadable photo, which is then left out; None raises.
        """
        for chunk in load_chunks(photos, on_error=on_error):
            found = self._found([photo.image for photo in chunk])
            for photo, faces in zip(chunk, found, strict=True):
                yield DetectedPhoto(photo.name, photo.image, faces, photo.place)

    def analyse(
        self, photos: Iterable[PhotoSource], *, on_error: ErrorHandler | None = None
    ) -> Iterator[AnalysedPhoto]:
        """Find, align, measure and embed the faces of any number of photos, in batches.

        Args:
            photos: Sources, consumed lazily.
            on_error: Called for each photo that is unreadable or shows more than ``most_faces``,
                which is then left out; None raises.
        """
        for chunk in load_chunks(photos, on_error=on_error):
            found = self._found([photo.image for photo in chunk])
            detected = [
                DetectedPhoto(photo.name, photo.image, faces, photo.place)
                for photo, faces in zip(chunk, found, strict=True)
            ]
            if not (few := self._few_enough(detected, on_error)):
                continue
            reader = self.reader()
            for photo in self.read(few):
                seen = photo if reader is None else reader.righted(photo)
                if self.liveness is not None:
                    seen = with_liveness(seen, self.liveness)
                if self.watcher is not None:
                    self.watcher.photo(seen)
                yield seen

    def _found(self, images: Sequence[Image]) -> list[Faces]:
        with phase("detect", photos=len(images)):
            return self.detector.detect_batch(images)

    def _few_enough(
        self, photos: Sequence[DetectedPhoto], on_error: ErrorHandler | None
    ) -> list[DetectedPhoto]:
        """The photos that do not show too many faces."""
        few = []
        for photo in photos:
            if self.most_faces is not None and len(photo.faces) > self.most_faces:
                text = f"a photo may show {self.most_faces} faces, this one shows "
                tell(on_error, photo.name, TooManyFacesError(text + str(len(photo.faces))))
            else:
                few.append(photo)
        return few

    def known_photos(
        self, photos: Iterable[PhotoSource], *, on_error: ErrorHandler | None = None
    ) -> Iterator[AnalysedPhoto | KnownPhoto]:
        """As `analyse`, but what ``cache`` knows of a photo is taken from there, without pixels.

        Args:
            photos: Sources. Only paths can be known; with a cache they are all listed at first.
            on_error: As `analyse`.
        """
        cache, setting = self.cache, self.setting()
        if cache is None or setting is None:
            yield from self.analyse(photos, on_error=on_error)
            return
        listed = list(photos)
        paths = [Path(photo) for photo in listed if isinstance(photo, (str, Path))]
        if len(paths) < len(listed):
            yield from self.analyse(listed, on_error=on_error)
            return
        cache.forget_gone({path.parent for path in paths})
        for start in range(0, len(paths), _WINDOW):
            part = paths[start : start + _WINDOW]
            # Looked at before they are read: one that changes meanwhile is analysed again.
            states = [FileState.of(path) for path in part]
            found = cache.known(states, [str(path) for path in part], setting=setting)
            new = [i for i, known in enumerate(found) if known is None]
            for photo in self.analyse([part[i] for i in new], on_error=on_error):
                found[new[photo.place]] = KnownPhoto(
                    photo.name, photo.size_hw, photo.faces, photo.refusals, photo.embeddings
                )
            fresh = [(states[i], kept) for i in new if (kept := found[i]) is not None]
            cache.keep(fresh, setting=setting)
            yield from (known for known in found if known is not None)

    def setting(self) -> str | None:
        """What the cache must know of the models; None where nobody can say what they are.

        Nothing is kept of a look for attacks: whoever looks wants it looked at now.
        """
        if not isinstance(self._detector, str) or self.liveness is not None:
            return None
        head = None if self.trust_head is None else self.trust_head.digest
        rest = (self.gate, self._precision, self._runtime, self.righting, head)
        return setting_key(self.embedder.space, self._detector, rest)

    def embed(self, photo: PhotoSource) -> Embeddings:
        """Embed every face of one photo as `analyse` read it; the gate refuses none."""
        return next(self.analyse([photo])).embeddings

    def embed_face(
        self, photo: PhotoSource, *, select: Selection = DEFAULT_SELECT, name: str | None = None
    ) -> Embeddings:
        """Embed the one face of a photo that is meant.

        Args:
            photo: The photo.
            select: Which face: ``only`` (there must be exactly one that the gate accepts),
                ``largest`` or ``central``.
            name: What messages call the photo; None takes its path.

        Returns:
            Embeddings of length 1.

        Raises:
            ImageError: If the photo cannot be read.
            NoFaceError: If it shows no face.
            SeveralFacesError: If the gate accepts several and ``select`` is ``only``.
            QualityError: If the gate refuses the face, or all; the message lists the reasons.
        """
        analysed = next(self.analyse([photo]))
        return self.chosen_face(analysed, select, photo_name(photo, 1) if name is None else name)

    def chosen_face(
        self, photo: AnalysedPhoto | KnownPhoto, select: Selection, name: str
    ) -> Embeddings:
        """The embedding of the face that is meant, of a photo that `analyse` gave.

        Raises:
            NoFaceError, SeveralFacesError, QualityError: As `embed_face`.
        """
        return photo.embeddings[self.chosen_index(photo, select, name)]

    def chosen_index(self, photo: AnalysedPhoto | KnownPhoto, select: Selection, name: str) -> int:
        """Which face is meant, of a photo that `analyse` gave.

        Raises:
            NoFaceError, SeveralFacesError, QualityError: As `embed_face`.
        """
        if not len(photo.faces):
            raise self.no_face(photo, f"no face found in {name}; it must show one")
        signals = photo.liveness if isinstance(photo, AnalysedPhoto) else ()
        try:
            index = select_face(
                photo.faces, photo.size_hw, select=select, name=name, refusals=photo.refusals
            )
        except QualityError as error:
            if any(signal.refusal for signal in signals):
                raise LivenessError(str(error)) from error
            raise
        if photo.refusals[index]:
            kind = LivenessError if signals and signals[index].refusal else QualityError
            raise kind(f"the face in {name} cannot be judged: {'; '.join(photo.refusals[index])}")
        return index

    def no_face(self, photo: AnalysedPhoto | KnownPhoto, message: str) -> NoFaceError:
        """The error for a photo without a face; it says which ones were not looked for."""
        unseen = too_small_to_see(self.detector, photo.size_hw, text=self.detector_name)
        return NoFaceError(message + unseen)

    def _align(self, image: Image, faces: Faces) -> AlignedCrops:
        return align_faces(image, faces, template=self.embedder.card.template)

    def read(self, photos: Sequence[DetectedPhoto]) -> list[AnalysedPhoto]:
        """Align, embed and measure the faces of photos, in one batch."""
        with phase("embed", faces=sum(len(photo.faces) for photo in photos)):
            return self._read(photos)

    def _read(self, photos: Sequence[DetectedPhoto]) -> list[AnalysedPhoto]:
        crops = [self._align(photo.image, photo.faces) for photo in photos]
        embedded, pools = self.embedder.embed_with_pools(AlignedCrops.concatenate(crops))
        head = self.trust_head
        trust = None if head is None or pools is None else head.judge(pools, embedded)
        read, start = [], 0
        for photo, aligned in zip(photos, crops, strict=True):
            rows = slice(start, start + len(aligned))
            start = rows.stop
            own = None if trust is None else trust[rows]
            read.append(self._measured(photo, aligned, embedded[rows], own))
        return read

    @property
    def limits(self) -> QualityGate | None:
        """The gate with what the model's card and its trust head ask for; None without a gate."""
        return None if self.gate is None else self._limits(self.gate)

    def _limits(self, gate: QualityGate) -> QualityGate:
        """A gate with what the model's card and its trust head ask for."""
        head = self.trust_head
        return gate.for_model(
            self.embedder.min_norm,
            0.0 if head is None else head.min_trust,
            per_decade=self.embedder.thresholds.per_decade(),
        )

    def reader(self) -> Reader | None:
        """What rights photos; None where nobody wants it, or nothing is judged at all."""
        limits = self._limits(
            QualityGate(min_norm=0, min_trust=0) if self.gate is None else self.gate
        )
        if not self.righting or not (limits.min_trust or limits.min_norm):
            return None

        def trust(photo: AnalysedPhoto) -> npt.NDArray[np.float32]:
            norm, score = photo.embeddings.norms, photo.quality.trust
            if score is None:
                return np.where(norm >= (limits.min_norm or 0), norm, 0).astype(np.float32)
            fit = (norm >= (limits.min_norm or 0)) & (score >= (limits.min_trust or 0))
            return np.where(fit, score, 0).astype(np.float32)

        judged = self.trust_head is not None and bool(limits.min_trust)
        return Reader(
            self._detect_few,
            self.read,
            trust,
            sure=_SURE if judged else 0.0,
            doubtful=limits.sure_trust if judged else 0.0,
            turns="turns" in self.righting,
            widths="widths" in self.righting and judged,
        )

    def _detect_few(self, images: Sequence[Image]) -> list[Faces]:
        """As the detector, but a photo that shows too many faces when turned is not read so."""
        found = self._found(images)
        most = self.most_faces
        return [Faces.empty() if most is not None and len(f) > most else f for f in found]

    def _measured(
        self,
        photo: DetectedPhoto,
        crops: AlignedCrops,
        embeddings: Embeddings,
        trust: Trust | None,
    ) -> AnalysedPhoto:
        quality = measure_quality(photo.image, photo.faces, crops).with_norms(embeddings)
        quality = quality if trust is None else quality.with_trust(trust)
        limits = self.limits
        reasons = [()] * len(crops) if limits is None else limits.judge(quality)
        graded = dataclasses.replace(
            embeddings,
            quality=np.asarray(quality.score, np.float32),
            occlusion=quality.occlusion,
            trust=quality.trust,
        )
        return AnalysedPhoto(
            photo.name,
            photo.image,
            photo.faces,
            crops,
            quality,
            tuple(reasons),
            graded,
            photo.place,
        )
