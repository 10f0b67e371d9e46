"""`python -m inference_server COMMAND`."""

import sys

from .cli import main

sys.exit(main())
