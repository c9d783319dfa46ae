"""Makes `checkpoint_project` importable beside the tests, and in the children they start."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
