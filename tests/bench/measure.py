"""Readings of this machine and of a process in it, from /proc, and the statistics over rounds."""

import os
import platform
import resource
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

import apsw

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PACKAGES = ("trigate", "trio", "hypercorn", "httptools", "httpx", "msgspec", "peewee")


def cpu_s(pid: int) -> float:
    """User and system time of a process so far, all its threads, in seconds. Advances in ticks of 10 ms."""
    _, _, after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    fields = after_name.split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def rss_kib(pid: int) -> int:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise ProcessLookupError(pid)


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of `values` do not exceed (nearest rank). Raises ValueError where there is none."""
    if not values:
        raise ValueError("No value was measured.")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, least and greatest."""
    return median(values), min(values), max(values)


def raise_file_limit() -> int:
    """Lifts this process's limit of open files, and so its children's, as far as it may go. Gives the limit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def machine() -> dict[str, str]:
    """What a reader needs to compare this run with another."""
    facts = {
        "machine": f"{os.cpu_count()} x {_processor()}, {_memory_gib():.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "load before": f"{os.getloadavg()[0]:.2f}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "sqlite": apsw.sqlite_lib_version(),
    }
    return facts | {name: _version(name) for name in _PACKAGES}


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
