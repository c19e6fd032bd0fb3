"""mpirun -n 8 python scripts/sweep.py ppu-8: the verb `sweep` of the command, for who starts the ranks himself."""

import sys

from ringtree.cli import main

if __name__ == "__main__":
    sys.exit(main(["sweep", *sys.argv[1:]]))
