"""Thresholds, FPIR and match probabilities from labelled faces, checked on other people."""

from vultus.evaluation.calibration.fmr import threshold_table
from vultus.evaluation.calibration.run import CalibrationPlan, LabelledFaces, calibrate

__all__ = ["CalibrationPlan", "LabelledFaces", "calibrate", "threshold_table"]
