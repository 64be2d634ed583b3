"""The command line: `python -m services`."""

import sys

from services.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
