"""Makes the scripts beside the tests importable, as they are when run."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
