import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_operation_of_the_service_is_there() -> None:
    """If not: `python scripts/client_operations.py`."""
    script = ROOT / "scripts" / "client_operations.py"
    done = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
