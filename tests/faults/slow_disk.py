"""`trigate serve` on a disk with troubles: `python -m tests.faults.slow_disk --commit-takes 0.05`.

`--failing-commits` has every charge refused until a file `disk-is-fine` is in the data folder.
"""

import argparse
import sys
import time
from functools import partial
from pathlib import Path

import gateway.app
from gateway.cli import main
from gateway.store.writer import Writer


class TroubledWriter(Writer):
    """Hooks into the transaction between its last statement and its commit."""

    def __init__(self, path: Path, *, takes_s: float, fails: bool, **options: object) -> None:
        healed = path.parent / "disk-is-fine"

        def before_commit() -> None:
            time.sleep(takes_s)
            if fails and not healed.exists():
                raise OSError("the disk is full")

        super().__init__(path, before_commit=before_commit, **options)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--commit-takes", type=float, default=0.0)
    parser.add_argument("--failing-commits", action="store_true")
    given = parser.parse_args()
    gateway.app.Writer = partial(TroubledWriter, takes_s=given.commit_takes, fails=given.failing_commits)
    sys.argv = ["trigate", "serve"]
    sys.exit(main())
