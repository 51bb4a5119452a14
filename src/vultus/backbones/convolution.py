"""Convolution, perhaps batch normalisation, ReLU: what the older networks are made of."""

from torch import Tensor, nn
from torch.nn import functional


class ConvReLU(nn.Module):
    """Convolution - (batch normalisation) - ReLU.

    Args:
        in_channels: Channels in.
        out_channels: Channels out.
        kernel: Height and width of the window, or one length for both; odd.
        stride: Step of the window.
        padded: Put zeros around, so that stride 1 keeps height and width.
        batch_norm: Normalise before the ReLU; the convolution then has no bias.

    Weights start as He et al. (ICCV 2015) have them, biases at 0: without batch normalisation the
    deep ones of these networks do not get going otherwise.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int | tuple[int, int],
        *,
        stride: int = 1,
        padded: bool = True,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        window = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (window[0] // 2, window[1] // 2) if padded else (0, 0)
        self.conv = nn.Conv2d(
            in_channels, out_channels, window, stride, padding, bias=not batch_norm
        )
        self.bn: nn.Module = nn.BatchNorm2d(out_channels) if batch_norm else nn.Identity()
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)

    def forward(self, maps: Tensor) -> Tensor:
        """(b, in_channels, h, w) -> (b, out_channels, h', w'), none below 0."""
        return functional.relu(self.bn(self.conv(maps)))
