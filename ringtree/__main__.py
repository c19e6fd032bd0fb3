"""python -m ringtree: the command, where it is not on the PATH."""

import sys

from ringtree.cli import main

sys.exit(main())
