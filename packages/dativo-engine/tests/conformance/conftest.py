"""Makes the worlds importable: the kit's child processes open them too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
