"""Starts a program that dies with the process that started it, even by SIGKILL.

It runs as a script, because the new process itself must ask the kernel, and code between fork and
exec in a threaded parent may deadlock:

    python -I -S die_with_parent.py PARENT_PID program argument …

The process asks for SIGKILL at its parent's death (prctl PR_SET_PDEATHSIG, kept across exec) and
becomes the program, with the same process id. For the kernel, the parent is the *thread* that
started it: start such programs from a thread that lives as long as they should.

Linux only. Elsewhere the program merely starts, and outlives a killed parent.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def dying_with_parent(arguments: list[str]) -> list[str]:
    """The command line that runs `arguments` (an absolute path first) as described above."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *arguments]


def main() -> None:
    """Tie this process to its parent and become the program."""
    parent, program = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        # The parent may have died before the kernel was asked.
        if os.getppid() != parent:
            sys.exit(1)
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
