"""The file of a site's own threshold; what a passive look says is in `vultus.core`."""

from dataclasses import asdict, dataclass
from pathlib import Path

from vultus.core.errors import ConfigError
from vultus.core.files import write_text
from vultus.core.liveness_signal import LivenessSignal as LivenessSignal
from vultus.core.liveness_threshold import LivenessThreshold as LivenessThreshold
from vultus.core.plain_values import parse_json, read_text
from vultus.core.settings_reader import read
from vultus.core.text import json_text


@dataclass(frozen=True, slots=True, kw_only=True)
class LivenessFile:
    """A site's own threshold, and what it holds for.

    Attributes:
        networks: The models' names and the digests of their files.
        threshold: The threshold.
        created: When, ISO 8601, UTC.
    """

    networks: dict[str, str]
    threshold: LivenessThreshold
    created: str

    def save(self, path: str | Path) -> None:
        """Write it as JSON."""
        write_text(Path(path), json_text({"format": _FORMAT, **asdict(self)}))

    @classmethod
    def load(cls, path: str | Path) -> "LivenessFile":
        """Read what `save` wrote.

        Raises:
            ConfigError: If it is no such file, or of another version.
        """
        values = parse_json(read_text(Path(path)), source=str(path))
        if not isinstance(values, dict) or values.pop("format", None) != _FORMAT:
            raise ConfigError(
                f"{path} must be a liveness threshold as `vultus liveness evaluate` writes it "
                f"(format {_FORMAT!r})"
            )
        return read(cls, values, source=str(path))


_FORMAT = "vultus-liveness-1"
