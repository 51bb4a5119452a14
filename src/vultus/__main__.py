"""``python -m vultus`` is the `vultus` command; ``torchrun -m vultus`` needs it."""

import sys

from vultus.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
