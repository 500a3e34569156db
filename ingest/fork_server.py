"""The process that the sandbox's children are forked from: what parsers import has been imported once, by it.

python -m ingest.fork_server MODULE, with a Unix socket as its standard input. Each request is a line of JSON with four
descriptors: the child's pipes in and out, its stderr, and one on which the server writes how the child ended. An ended
child stays a zombie until whoever asked for it closes the other end of that one, so that its number is nobody else's
as long as somebody may signal it.
"""

import gc
import json
import os
import select
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any

from ingest.sandbox_child import follow_parent, serve

LONGEST_REQUEST = 1 << 16
DESCRIPTORS = 4
_DESCRIPTORS_AT_MOST = 1 << 16


class _Server:
    """Forks on request; one thread, or a fork would copy locks that nobody opens again."""

    def __init__(self, parse: Callable[..., Any], control: socket.socket) -> None:
        self._parse = parse
        self._control = control
        self._endings: dict[int, int] = {}  # a child, and the descriptor on which its ending is awaited
        self._told: dict[int, int] = {}  # a descriptor on which it was told, and the child
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._wakeup, wakeup = os.pipe()
        for end in (self._wakeup, wakeup):
            os.set_blocking(end, False)
        self._poll.register(self._wakeup, select.POLLIN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)

    def run(self) -> None:
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor == self._control.fileno():
                    if not self._answer():
                        self._tell_endings()
                        for ending in list(self._told):
                            self._bury(ending)
                        return
                elif descriptor == self._wakeup:
                    os.read(self._wakeup, 4096)
                    self._tell_endings()
                elif descriptor in self._told:
                    self._bury(descriptor)

    def _answer(self) -> bool:
        """Fork a child; False when nobody asks any more."""
        line, given, _, _ = socket.recv_fds(self._control, LONGEST_REQUEST, DESCRIPTORS)
        if not line:
            return False
        requests, replies, errors, ending = given
        parent = os.getpid()
        try:
            child = os.fork()
        except OSError as error:
            self._control.sendall(json.dumps({"error": str(error)}).encode() + b"\n")
            os.close(ending)
        else:
            if child == 0:
                self._become_child(json.loads(line), parent, (requests, replies, errors))
            self._endings[child] = ending
            self._control.sendall(json.dumps({"pid": child}).encode() + b"\n")
        for descriptor in (requests, replies, errors):
            os.close(descriptor)
        return True

    def _become_child(self, request: dict[str, Any], parent: int, streams: tuple[int, ...]) -> None:
        """Leave everything of the server behind and serve documents; never returns."""
        status = 1
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for standard, stream in enumerate(streams):
                os.dup2(stream, standard)
            self._control.detach()  # standard input was its descriptor, and is another now
            os.closerange(3, _DESCRIPTORS_AT_MOST)
            os.chdir(request["folder"])
            os.environ["HOME"] = os.environ["TMPDIR"] = request["folder"]
            tempfile.tempdir = None
            follow_parent(parent)
            serve(self._parse, request["limits"])
            status = 0
        except SystemExit:
            status = 0
        except BaseException:  # noqa: BLE001 (the process's edge)
            sys.excepthook(*sys.exc_info())  # to its own stderr, which the sandbox reads
        finally:
            os._exit(status)

    def _tell_endings(self) -> None:
        for child, ending in list(self._endings.items()):
            ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                continue
            del self._endings[child]
            code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
            with suppress(BrokenPipeError):  # nobody wants to know any more
                os.write(ending, str(code).encode())
            self._told[ending] = child
            self._poll.register(ending, 0)  # errors are always told: the other end is closed

    def _bury(self, ending: int) -> None:
        self._poll.unregister(ending)
        os.waitpid(self._told.pop(ending), 0)
        os.close(ending)


def main() -> None:
    """Import what the module's parsers need, then serve until the sandbox is gone."""
    control = socket.socket(fileno=0)
    follow_parent(int(sys.argv[2]))
    module = import_module(sys.argv[1])
    module.preload()
    gc.freeze()  # a collection in a child would write to every page that it shares with the others
    _Server(module.parse, control).run()
    os._exit(0)  # there is nothing to put away, and much to take apart


if __name__ == "__main__":
    main()
