"""mpirun -n 8 python scripts/train.py --board dgx1v: the verb `train`, for who starts the ranks himself."""

import sys

from ringtree.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
