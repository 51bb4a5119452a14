"""Operations of the service: models. Written by scripts/client_operations.py."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vultus.client.call import Call
from vultus.client.operations.photos import ThresholdTold


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenceTold:
    """What one may do with a model.

    Attributes:
        name: Name.
        commercial_use: Commercial use.
        source: Source.
    """

    name: str
    commercial_use: bool
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTold:
    """A model that Vultus knows.

    Attributes:
        name: Name.
        task: Task.
        description: Description.
        licence: Licence.
        training_data: Training data.
        size_bytes: Size bytes.
        place: Where its file is; null if it is not on this machine.
    """

    name: str
    task: str
    description: str
    licence: LicenceTold
    training_data: str
    size_bytes: int | None
    place: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """All models that Vultus knows, in alphabetical order.

    Attributes:
        embedder: The model that the service compares faces with.
        detector: What it finds them with.
        models: Models.
    """

    embedder: str
    detector: str
    models: tuple[ModelTold, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationTold:
    """What decisions stand on.

    Attributes:
        model: Model.
        thresholds: At several false match rates: of the site, else of the model's card.
        calibration: This site's, as `vultus calibrate` writes it; null where there is none.
    """

    model: str
    thresholds: tuple[ThresholdTold, ...]
    calibration: dict[str, Any] | None


def list_models() -> Call[Models]:
    """The models that Vultus knows, with licences, and which are in use."""
    return Call("GET", "/v1/models", Models, repeatable=True)


def calibration_told() -> Call[CalibrationTold]:
    """The thresholds, and this site's calibration, if it has one."""
    return Call("GET", "/v1/calibration", CalibrationTold, repeatable=True)


def calibrate(*, body: Mapping[str, Any]) -> Call[CalibrationTold]:
    """Judge by another calibration from now on, and when the service starts again.

    Args:
        body: As the guide has it.
    """
    return Call("PUT", "/v1/calibration", CalibrationTold, body=body, repeatable=True)
