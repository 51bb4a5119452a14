"""A Recognizer run on a protocol or on the people of a calibration.

Figures of a model on a published protocol::

    from pathlib import Path

    from vultus import Recognizer
    from vultus.evaluation.protocols import PROTOCOLS
    from vultus.pipeline.measuring import measure

    run = measure(PROTOCOLS.create("lfw", root=Path("lfw.zip")), Recognizer())
    print(run.result.accuracy)

A site's own thresholds::

    from vultus.pipeline.measuring import CalibrationPlan, calibrate, photographed_faces

    recognizer = Recognizer()
    done = calibrate(photographed_faces(Path("people"), recognizer), CalibrationPlan())
    recognizer.use_calibration(done.calibration)
"""

from vultus.evaluation.calibration.run import CalibrationPlan, CalibrationResult, calibrate
from vultus.pipeline.measuring.calibration import (
    calibration_file,
    check_calibration_file,
    embedded_faces,
    photographed_faces,
    save_calibration,
)
from vultus.pipeline.measuring.run import EvaluationRun, measure, measure_stored

__all__ = [
    "CalibrationPlan",
    "CalibrationResult",
    "EvaluationRun",
    "calibrate",
    "calibration_file",
    "check_calibration_file",
    "embedded_faces",
    "measure",
    "measure_stored",
    "photographed_faces",
    "save_calibration",
]
