"""Steps whose loss or gradient is no number: not made, reported, and in the end refused."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vultus.core.checks import check_positive_int
from vultus.core.errors import TrainingError
from vultus.core.files import make_private_folder, write_text
from vultus.core.text import json_text
from vultus.data.loading.batch import FaceBatch
from vultus.training.process.distributed import World

logger = logging.getLogger(__name__)

_NAMED = 10
_SMALLEST_SCALE = 1.0


class NonFiniteGuard:
    """Decides whether a step may move the weights.

    A step with a NaN or an infinity in a loss or gradient, on any process, is left out: weights and
    optimisers stay as they are, and buffers (running statistics, which the forward pass has spoilt
    already) go back to what they were. The batch is named in the log and in
    ``<folder>/step-<n>-rank-<r>.json``: indices and identities, no images.

    Overflow that loss scaling for float16 is there to find is no error: the step is left out, and
    the scale is halved, without a report, as long as the loss itself is finite and the scale is
    not below 1.

    Args:
        modules: The network and the loss.
        folder: Where reports go; made when there is one.
        max_in_a_row: So many bad steps in a row are left out; one more stops the run.
        identities: Names by label.
        world: The processes, who decide together.

    Attributes:
        in_a_row: Bad steps since the last good one.
    """

    def __init__(
        self,
        modules: Sequence[nn.Module],
        *,
        folder: Path,
        max_in_a_row: int,
        identities: Sequence[str] = (),
        world: World = World(),  # noqa: B008 - immutable
    ) -> None:
        self.in_a_row = 0
        self._modules = list(modules)
        self._folder = folder
        self._max_in_a_row = check_positive_int("max_in_a_row", max_in_a_row, minimum=0)
        self._identities = identities
        self._world = world
        self._before: list[tuple[Tensor, Tensor]] = []
        self._batches: list[tuple[FaceBatch, Tensor, Tensor]] = []

    @torch.no_grad()
    def start_step(self) -> None:
        """Remember the buffers, before the first forward pass of the step."""
        self._batches = []
        buffers = [buffer for module in self._modules for buffer in module.buffers()]
        if [id(own) for own, _ in self._before] != [id(buffer) for buffer in buffers]:
            self._before = [(buffer, buffer.clone()) for buffer in buffers]
        for own, copy in self._before:
            copy.copy_(own)

    def watch(self, batch: FaceBatch, features: Tensor, loss: Tensor) -> None:
        """Note what the network and the loss made of a batch of the step; waits for no GPU.

        Args:
            batch: The batch.
            features: (b, dim).
            loss: 0-d.
        """
        self._batches.append((batch, features.detach(), loss.detach()))

    def passes(self, step: int, *, norm: Tensor, scaler: torch.amp.GradScaler) -> bool:
        """Whether the optimisers may move; all processes must ask together.

        Args:
            step: Number of the step, for the report.
            norm: 0-d length of all gradients, unscaled: not finite if any of them is not.
            scaler: Of the loss. Its scale is halved if that is what was wrong; then, as always, it
                is the caller's to ``step`` and ``update`` it where this returns True only.

        Returns:
            False if the step is to be left out; buffers are what they were before it.

        Raises:
            TrainingError: If it is one too many in a row.
        """
        losses = torch.stack([loss.float() for _, _, loss in self._batches]).to(norm.device)
        wrong = torch.stack([~losses.isfinite().all(), ~norm.isfinite()])
        loss_wrong, gradient_wrong = (bool(flag) for flag in self._world.any_of(wrong))
        if not (loss_wrong or gradient_wrong):
            self.in_a_row = 0
            return True
        self.restore()
        if scaler.is_enabled():
            # Not what each process found in its own shard: the scales must stay the same on all.
            scaler.update(scaler.get_scale() * scaler.get_backoff_factor())
            if not loss_wrong and scaler.get_scale() >= _SMALLEST_SCALE:
                logger.info("step %d: float16 overflowed, scale %g", step, scaler.get_scale())
                return False
        self.in_a_row += 1
        self._report(step, norm, loss_wrong=loss_wrong)
        return False

    @torch.no_grad()
    def restore(self) -> None:
        """Set the buffers to what they were when the step started."""
        for own, copy in self._before:
            own.copy_(copy)

    def _report(self, step: int, norm: Tensor, *, loss_wrong: bool) -> None:
        path = self._folder / f"step-{step:08d}-rank-{self._world.rank}.json"
        make_private_folder(self._folder)
        batches = [self._describe(*entry) for entry in self._batches]
        report = {
            "step": step,
            "gradient_norm": str(norm.item()),
            "gradients_not_finite": self._bad_gradients(),
            "batches": batches,
        }
        write_text(path, json_text(report, indent=1) + "\n", private=True)
        what = "loss" if loss_wrong else "gradient"
        named = ", ".join(f"{i}" for batch in batches for i in batch["indices"][:_NAMED])
        text = f"step {step}: the {what} is no number, with the images {named}, ... (all: {path})"
        if self.in_a_row > self._max_in_a_row:
            raise TrainingError(
                f"{text}; {self.in_a_row} such steps in a row, at most {self._max_in_a_row} are "
                "left out. Nothing was saved since the last good checkpoint: resume from it with "
                "a lower learning rate, a gradient clip, or bf16 in place of fp16"
            )
        logger.warning("%s; it is left out (%d in a row)", text, self.in_a_row)

    def _describe(self, batch: FaceBatch, features: Tensor, loss: Tensor) -> dict[str, Any]:
        labels = batch.labels.tolist()
        known = len(self._identities)
        return {
            "loss": str(loss.item()),
            "indices": batch.indices.tolist(),
            "labels": labels,
            "identities": [self._identities[i] if 0 <= i < known else None for i in labels],
            "rows_not_finite": (~features.isfinite().all(dim=1)).nonzero()[:, 0].tolist(),
        }

    def _bad_gradients(self) -> list[str]:
        names = []
        for module in self._modules:
            for name, parameter in module.named_parameters():
                gradient = parameter.grad
                if gradient is not None and gradient.is_sparse:
                    gradient = gradient.coalesce().values()
                if gradient is not None and not bool(gradient.isfinite().all()):
                    names.append(name)
        return names
