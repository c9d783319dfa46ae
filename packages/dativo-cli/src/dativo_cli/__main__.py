"""`python -m dativo_cli` is `dativo`, for whoever has to name the interpreter."""

import sys

from dativo_cli.main import main

if __name__ == "__main__":
    sys.exit(main())
