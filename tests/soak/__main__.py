"""`python tests/soak` is `python tests/soak/run.py`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from soak.run import main

sys.exit(main())
