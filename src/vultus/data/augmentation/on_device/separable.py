"""Linear changes along height and width, as matrix products."""

import torch
from torch import Tensor


def transform_rows(images: Tensor, along_height: Tensor, along_width: Tensor) -> Tensor:
    """Multiply every row's planes with that row's two matrices.

    Args:
        images: (n, v, 3, h, w) float32.
        along_height: (n, h, h): every new line as weights of the old ones.
        along_width: (n, w, w): every new column as weights of the old ones.

    Returns:
        (n, v, 3, h, w), a view of transposed memory.
    """
    n, v, c, h, w = images.shape
    wide = torch.bmm(images.reshape(n, v * c * h, w), along_width.transpose(1, 2))
    # One product per row, not per plane: a row's planes share its matrices.
    turned = wide.reshape(n, v * c, h, w).transpose(2, 3).reshape(n, v * c * w, h)
    high = torch.bmm(turned, along_height.transpose(1, 2))
    return high.reshape(n, v, c, w, h).transpose(3, 4)
