"""The models of the service, and what is measured of them at this site."""

from typing import Annotated, Any

from fastapi import Body
from pydantic import BaseModel, Field

from vultus.core.errors import ConfigError
from vultus.core.files import write_text
from vultus.matching.calibration import Calibration
from vultus.models.store import ModelStore
from vultus.server.context import Reader, WholeAdmin
from vultus.server.problems import ProblemError
from vultus.server.routing import make_router
from vultus.server.rules import ThresholdTold, threshold_told

router = make_router("/v1", "models", 404, 409, 411, 413, 415)


class LicenceTold(BaseModel):
    """What one may do with a model."""

    name: str
    commercial_use: bool
    source: str


class ModelTold(BaseModel):
    """A model that Vultus knows."""

    name: str
    task: str
    description: str
    licence: LicenceTold
    training_data: str
    size_bytes: int | None
    place: str | None = Field(description="Where its file is; null if it is not on this machine.")


class Models(BaseModel):
    """All models that Vultus knows, in alphabetical order."""

    embedder: str = Field(description="The model that the service compares faces with.")
    detector: str = Field(description="What it finds them with.")
    models: list[ModelTold]


class CalibrationTold(BaseModel):
    """What decisions stand on."""

    model: str
    thresholds: list[ThresholdTold] = Field(
        description="At several false match rates: of the site, else of the model's card."
    )
    calibration: dict[str, Any] | None = Field(
        description="This site's, as `vultus calibrate` writes it; null where there is none."
    )


@router.get("/models")
def list_models(caller: Reader) -> Models:
    """The models that Vultus knows, with licences, and which are in use."""
    recognizer, store = caller.context.recognizer, ModelStore()
    told = [
        ModelTold(
            name=card.name,
            task=card.task,
            description=card.description,
            licence=LicenceTold(
                name=card.licence.name,
                commercial_use=card.licence.commercial_use,
                source=card.licence.source,
            ),
            training_data=card.training_data,
            size_bytes=card.size_bytes,
            place=store.place(card.name),
        )
        for card in store.cards()
    ]
    return Models(
        embedder=recognizer.embedder.card.name, detector=recognizer.detector_name, models=told
    )


@router.get("/calibration")
def calibration_told(caller: Reader) -> CalibrationTold:
    """The thresholds, and this site's calibration, if it has one."""
    recognizer = caller.context.recognizer
    site = recognizer.calibration
    return CalibrationTold(
        model=recognizer.embedder.card.name,
        thresholds=[threshold_told(point) for point in recognizer.thresholds.points],
        calibration=None if site is None else site.to_dict(),
    )


@router.put("/calibration")
def calibrate(
    caller: WholeAdmin,
    file: Annotated[
        dict[str, Any], Body(description="The file that `vultus calibrate` writes, as it is.")
    ],
) -> CalibrationTold:
    """Judge by another calibration from now on, and when the service starts again."""
    recognizer = caller.context.recognizer
    try:
        given = Calibration.from_dict(file, source="the calibration")
    except ConfigError as error:
        raise ProblemError(422, "unfit-calibration", str(error)) from error
    recognizer.use_calibration(given)
    path = ModelStore().calibration_path(recognizer.embedder.card.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, given.to_json())
    return calibration_told(caller)
