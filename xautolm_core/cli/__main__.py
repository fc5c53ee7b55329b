"""``python -m xautolm_core.cli`` is ``xautolm``."""

from __future__ import annotations

import sys

from xautolm_core.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
