"""Checks of the machine: interpreter, libraries, disk, clock, limits, terminal."""

import ctypes
import os
import platform
import resource
import shutil
import sys
from importlib import metadata
from pathlib import Path

import apsw

from gateway.cli import words
from gateway.cli.findings import Finding, broken, noted, well
from gateway.cli.requirements import release_of, unmet

OLDEST_PYTHON = (3, 11)
SAFE_SQLITE = (3, 51, 3)
"""Up to 3.51.2 two connections that write and checkpoint one WAL can corrupt the database (the WAL-reset bug)."""

DISTRIBUTION = "trigate"
_REMOTE = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs", "fuse.s3fs", "fuse.rclone")
_LEAST_FREE_BYTES = 100_000_000
_GOOD_FREE_BYTES = 1_000_000_000
_DESCRIPTORS_A_CALL = 2
_LEAST_DESCRIPTORS = 1_024
_UNSYNCHRONIZED = 5  # TIME_ERROR of adjtimex(2)
_TIMEX_BYTES = 512  # more than any architecture's struct timex


def check_python() -> Finding:
    said = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info[:2] < OLDEST_PYTHON:
        return broken("python", said, "Install Python 3.11 or newer, and the gateway with it.")
    return well("python", said)


def check_libraries() -> Finding:
    try:
        problems = unmet(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return noted("libraries", "run from source, without its metadata", "`pip install .` lets them be checked.")
    if problems:
        return broken("libraries", "; ".join(problems), "`pip install --upgrade .` in its environment.")
    trio, textual = metadata.version("trio"), metadata.version("textual")
    return well("libraries", f"as this release wants them: trio {trio}, textual {textual} and others")


def check_sqlite() -> Finding:
    version = apsw.sqlite_lib_version()
    if release_of(version) < SAFE_SQLITE:
        fix = "`pip install --upgrade apsw`: up to 3.51.2, gateway and console can corrupt the database together."
        return broken("sqlite", f"{version}, by apsw", fix)
    return well("sqlite", f"{version}, by apsw")


def check_disk(data_dir: Path, mounts: Path = Path("/proc/self/mountinfo")) -> Finding:
    folder = _nearest(data_dir)
    kind = _file_system(folder, mounts)
    if kind.startswith(_REMOTE):
        fix = "Move the data folder to a local disk: SQLite's write-ahead log needs memory shared with the file system."
        return broken("disk", f"{data_dir} is on {kind}", fix)
    free = shutil.disk_usage(folder).free
    said = f"{data_dir}, {words.size(free)} free" + (f", {kind}" if kind else "")
    if free < _LEAST_FREE_BYTES:
        return broken("disk", said, "Make room: calls are refused when a receipt cannot be written.")
    if free < _GOOD_FREE_BYTES:
        return noted("disk", said, "Make room, or let old calls go: `trigate db prune`.")
    return well("disk", said)


def check_clock() -> Finding:
    """Receipts, limits and expiries go by it. Whether it was set right only the kernel's own word can say."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return noted("clock", "nobody here says whether it is synchronized")
    if state == _UNSYNCHRONIZED:
        return noted("clock", "not synchronized, says the kernel", "Run a time service: `timedatectl set-ntp true`.")
    return well("clock", "synchronized" if state >= 0 else "runs; the kernel does not say more")


def check_descriptors(max_connections: int) -> Finding:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = _DESCRIPTORS_A_CALL * max_connections
    if hard in (resource.RLIM_INFINITY, -1) or hard >= wanted:
        said = "unlimited" if hard in (resource.RLIM_INFINITY, -1) else f"{hard:,}"
        return well("descriptors", f"{said}, for {max_connections:,} connections")
    said = f"{hard:,}, of which {max_connections:,} connections with a call each would want {wanted:,}"
    fix = f"`ulimit -Hn {wanted}`, under systemd LimitNOFILE={wanted}; or a lower max_connections."
    return broken("descriptors", said, fix) if hard < _LEAST_DESCRIPTORS else noted("descriptors", said, fix)


def check_terminal() -> Finding:
    """What the console will look like; nothing else needs one."""
    if not sys.stdout.isatty():
        return noted("terminal", "standard output is none; the console needs one")
    kind = os.environ.get("TERM", "")
    size = shutil.get_terminal_size()
    colours = "16 million" if os.environ.get("COLORTERM") in ("truecolor", "24bit") else "256 or fewer"
    colours = "none, as NO_COLOR asks" if os.environ.get("NO_COLOR") else colours
    encoding = (sys.stdout.encoding or "").lower()
    said = f"{kind or 'of no kind'}, {size.columns}x{size.lines}, {encoding}, colours: {colours}"
    if kind in ("", "dumb"):
        return noted("terminal", said, "The console needs one that can move its cursor: set TERM, e.g. xterm-256color.")
    if "utf" not in encoding:
        return noted("terminal", said, "Use a UTF-8 locale such as C.UTF-8, or `trigate tui --ascii`.")
    if size.columns < 80 or size.lines < 24:
        return noted("terminal", said, "The console wants 80 columns and 24 lines.")
    return well("terminal", said)


def _nearest(folder: Path) -> Path:
    """The folder, or the one it would be made in."""
    while not folder.exists():
        folder = folder.parent
    return folder


def _file_system(folder: Path, mounts: Path) -> str:
    """The kind of file system a folder is on, by the longest mount point above it; "" where that cannot be told."""
    try:
        lines = mounts.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    place, best, kind = str(folder.resolve()), "", ""
    for line in lines:
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not after:
            continue
        point = fields[4].replace("\\040", " ")
        inside = place == point or place.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, after.split()[0]
    return kind
