"""The pictures of an evaluation or a calibration, written into a folder."""

from pathlib import Path

from vultus.evaluation.calibration.plots import plot_gallery_thresholds, plot_reliability
from vultus.evaluation.calibration.run import CalibrationResult
from vultus.evaluation.plots import plot_det, plot_roc, plot_scores, save_figure
from vultus.evaluation.protocols.result import ProtocolResult


def write_protocol_plots(result: ProtocolResult, folder: str | Path) -> list[Path]:
    """Draw ROC, DET and the histogram of scores; the folder is made when needed."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    curves = {result.protocol: result.comparisons.curve}
    if result.all_pairs is not None:
        curves["all pairs"] = result.all_pairs.curve
    points = result.comparisons.points
    threshold = points[-1].point.threshold if points else None
    figures = {
        "roc.png": plot_roc(curves),
        "det.png": plot_det(curves),
        "scores.png": plot_scores(result.comparisons.curve, threshold=threshold),
    }
    for name, figure in figures.items():
        save_figure(figure, folder / name)
    return [folder / name for name in figures]


def write_calibration_plots(result: CalibrationResult, folder: str | Path) -> list[Path]:
    """Draw how reliable the probabilities are, and, where measured, thresholds by gallery size."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / "reliability.png"]
    save_figure(plot_reliability(result.probability), written[0])
    curves = result.calibration.fpir_curves
    if curves is not None and result.fpir:
        written.append(folder / "gallery_thresholds.png")
        figure = plot_gallery_thresholds(curves, fpir=result.fpir[0].plan.fpir)
        save_figure(figure, written[1])
    return written
