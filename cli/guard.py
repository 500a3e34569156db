"""Outlives the supervisor by a moment: when that one vanishes, whatever it left running is killed.

The supervisor holds the other end of standard input and writes `+GROUP` or `-GROUP` lines; the end of the input means
that it is gone, however it went. A signal on parent's death would do less: Linux alone has one, and it reaches
children but not theirs. Started as a file with -I -S, so that it costs a few megabytes.
"""

import contextlib
import os
import signal
import sys


def main() -> None:
    """Follow which process groups there are until the supervisor is gone, then kill the ones left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a stop that reaches everybody must leave the guard its last duty
    groups: set[int] = set()
    for line in sys.stdin:
        change, group = line[0], int(line[1:])
        if change == "+":
            groups.add(group)
        else:
            groups.discard(group)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
