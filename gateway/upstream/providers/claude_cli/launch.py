"""Run by a Python of its own as `python -I -S launch.py PARENT PROGRAM ARGUMENT…`: becomes that program, which then
does not outlive the process PARENT.

`PR_SET_PDEATHSIG` survives `execve`. It is set here and not between fork and exec, where in a process with threads
nothing but system calls may be made. The signal comes when the *thread* that started this process ends: it must be one
that lives as long as the gateway.
"""

import ctypes
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, program = int(sys.argv[1]), sys.argv[2]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)
    # Prompts and answers are in its memory: they are not to lie on the disk after a crash.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.execv(program, sys.argv[2:])


if __name__ == "__main__":
    main()
