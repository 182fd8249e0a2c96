"""Keeping the collector of cyclic garbage out of the operator's way."""

import gc


def shorten() -> None:
    """Once, before the console runs.

    With Python's own thresholds a busy console looked through everything it holds every two seconds, 190 ms at a time:
    the slowest of twenty key presses took 330 ms, with these 140 ms. Memory stays as flat.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(2_000, 10, 20)
