"""`python -m tests.bench`: measures a gateway from outside and prints the table of docs/performance.md.

Everything runs on 127.0.0.1 and on temporary folders: the mock upstream, the load driver and the server are processes
of their own, and the server is configured through its command line. Figures are medians over rounds.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from tests.bench.figures import Figure, table
from tests.bench.gateway import Gateway
from tests.bench.measure import machine, raise_file_limit
from tests.bench.mock import Mock
from tests.bench.peers import Nginx, find_nginx
from tests.bench.rows import QUICK, ROWS, Bench, Sizes

# A stream through the gateway takes two of its files; the rest serve everything else it has open.
_SPARE_FILES = 200


def main() -> int:
    """The command line. Exit 1 if a row could not be measured; the others are still shown."""
    arguments = _arguments()
    sizes = _sizes(arguments)
    facts = machine() | {"open files": str(raise_file_limit())}
    failures: list[str] = []
    try:
        figures = _measure(arguments.only or list(ROWS), sizes, failures)
    except RuntimeError as error:
        _say(f"Nothing could be measured. {error}")
        return 1
    facts |= {"peers": find_nginx() or "none found (nginx is looked for)", "rounds": str(sizes.rounds)}
    print(", ".join(f"{name} {fact}" for name, fact in facts.items()))
    print()
    print(table(figures))
    if arguments.json:
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode({"facts": facts, "figures": figures})))
    for failure in failures:
        print(f"\nNot measured: {failure}")
    return 1 if failures else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=ROWS, metavar="ROW", help=f"one of {', '.join(ROWS)}")
    parser.add_argument("--rounds", type=int, help=f"rounds of each figure (default {Sizes().rounds})")
    parser.add_argument("--quick", action="store_true", help="one small round of everything: does it run at all?")
    parser.add_argument("--streams", type=int, help=f"slow streams at once (default {Sizes().slow_streams})")
    parser.add_argument("--history", type=int, help=f"calls in the large history (default {Sizes().history_calls})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write figures and every round to this file")
    return parser.parse_args()


def _sizes(arguments: argparse.Namespace) -> Sizes:
    asked = {
        "rounds": arguments.rounds,
        "slow_streams": arguments.streams,
        "history_calls": arguments.history,
    }
    sizes = QUICK if arguments.quick else Sizes()
    sizes = msgspec.structs.replace(sizes, **{name: value for name, value in asked.items() if value is not None})
    most = (raise_file_limit() - _SPARE_FILES) // 2
    if sizes.slow_streams > most:
        _say(f"Only {most} slow streams: this shell's limit of open files allows no more.")
        sizes = msgspec.structs.replace(sizes, slow_streams=most)
    return sizes


def _measure(names: Sequence[str], sizes: Sizes, failures: list[str]) -> list[Figure]:
    figures: list[Figure] = []
    with _bench(sizes) as bench:
        for shared in (True, False):
            chosen = [name for name in ROWS if name in names and ROWS[name].shares_server is shared]
            with ExitStack() as stack:
                if shared and chosen:
                    stack.enter_context(bench.gateway)
                for name in chosen:
                    begun = time.perf_counter()
                    _say(f"{name} ...")
                    try:
                        figures += ROWS[name].measure(bench)
                    except (RuntimeError, ValueError, OSError) as error:
                        # ValueError: not one answer to take a figure from. OSError: the server has gone.
                        failures.append(f"{name}: {error}")
                    _say(f"  {time.perf_counter() - begun:.0f} s")
    return figures


@contextmanager
def _bench(sizes: Sizes) -> Iterator[Bench]:
    """The mock, a prepared gateway that is not started, and the peers that are here."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="trigate-bench-")))
        mock = stack.enter_context(Mock())
        program = find_nginx()
        nginx = stack.enter_context(Nginx(program, folder / "nginx", mock.port)) if program else None
        gateway = Gateway(folder / "gateway")
        gateway.prepare(mock.url)
        yield Bench(mock, gateway, nginx, folder, sizes, _say)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
