"""Mixed precision: what the backbone computes in, and loss scaling for float16."""

from typing import Literal

import torch

_HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(precision: Literal["f32", "bf16", "fp16"], device: torch.device) -> torch.autocast:
    """Context in which the backbone runs; nothing changes for ``"f32"``."""
    dtype = _HALF.get(precision, torch.bfloat16)
    return torch.autocast(device.type, dtype=dtype, enabled=precision in _HALF)


def new_scaler(
    precision: Literal["f32", "bf16", "fp16"], device: torch.device
) -> torch.amp.GradScaler:
    """Loss scaling for float16; passes everything through for the others."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")
