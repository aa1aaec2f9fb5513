"""`python tests/fuzz` is `python tests/fuzz/run.py`."""

import sys

from run import main

sys.exit(main())
