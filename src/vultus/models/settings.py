"""Where the store is and what it may do: arguments first, then the environment."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, cast, get_args

import platformdirs

from vultus.core.errors import ConfigError

Policy = Literal["any", "commercial-only"]


def store_root(root: str | Path | None) -> Path:
    """The store's folder: as given, else ``$VULTUS_HOME/models``, else in the user's data."""
    if root is not None:
        return Path(root).expanduser()
    home = os.environ.get("VULTUS_HOME", "")
    data = Path(home).expanduser() if home else platformdirs.user_data_path("vultus", False)
    return data / "models"


def mirror_folders(mirror: str | Path | Sequence[str | Path] | None) -> tuple[Path, ...]:
    """The mirrors: as given, else ``$VULTUS_MODELS_MIRROR``, separated as in ``$PATH``.

    Raises:
        ConfigError: If one is no folder.
    """
    if mirror is None:
        listed: Sequence[str | Path] = os.environ.get("VULTUS_MODELS_MIRROR", "").split(os.pathsep)
    else:
        listed = [mirror] if isinstance(mirror, (str, Path)) else mirror
    folders = tuple(Path(folder).expanduser() for folder in listed if str(folder))
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(
                f"a mirror (VULTUS_MODELS_MIRROR) must be a folder, got {str(folder)!r}"
            )
    return folders


def offline_switch(offline: bool | None) -> bool:
    """Whether the network is forbidden: as given, else ``$VULTUS_OFFLINE``.

    Raises:
        ConfigError: If the variable is neither yes nor no.
    """
    if offline is not None:
        return offline
    value = os.environ.get("VULTUS_OFFLINE", "").strip().lower()
    if value in ("1", "true", "yes", "on"):
        return True
    if value in ("", "0", "false", "no", "off"):
        return False
    raise ConfigError(f"VULTUS_OFFLINE must be 1 or 0, got {value!r}")


def store_policy(policy: str | None) -> Policy:
    """Which licences are allowed: as given, else ``$VULTUS_MODELS_POLICY``, else any.

    Raises:
        ConfigError: If there is no such policy.
    """
    value = os.environ.get("VULTUS_MODELS_POLICY", "") if policy is None else policy
    if value not in ("", *get_args(Policy)):
        raise ConfigError(
            f"the policy (VULTUS_MODELS_POLICY) must be any or commercial-only, got {value!r}"
        )
    return cast(Policy, value or "any")
