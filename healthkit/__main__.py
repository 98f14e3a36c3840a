"""`python -m healthkit` is the `healthkit` command."""

import sys

from healthkit.cli import main

sys.exit(main())
