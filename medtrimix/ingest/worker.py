"""The decoding process: started by `pool`, it calls one function for one task after another.

It sits at the border to foreign files, so it is made to be lost: silent, without core dumps, limited in memory, ended
by its own alarm when a file takes too long, and gone when its parent is gone.
"""

from __future__ import annotations

import logging
import resource
import signal
import sys
import warnings
from multiprocessing.connection import Connection

from medtrimix.ingest.verdict import Verdict


def main(descriptor: int) -> None:
    """Serves tasks from the socket `descriptor` until the other side closes it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process even inside a decoder that never returns
    connection = Connection(descriptor)
    try:
        function, timeout_s, memory_limit_mb = connection.recv()
        _be_silent()
        _limit(memory_limit_mb)
        connection.send("ready")
        while True:
            task = connection.recv()
            signal.setitimer(signal.ITIMER_REAL, timeout_s)
            try:
                reply = function(task)
            except MemoryError:
                reply = Verdict.memory
            except BaseException:  # a Rust decoder's PanicException does not derive from Exception
                reply = Verdict.decoder_error
            signal.setitimer(signal.ITIMER_REAL, 0)
            connection.send(reply)
    except (EOFError, OSError):
        return  # the parent has finished, or is no more


def _be_silent() -> None:
    """Libraries quote the values that they stumble over; nothing of it may be written anywhere."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")


def _limit(memory_limit_mb: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold the patient's name
    if sys.platform == "linux":  # macOS knows the limit but does not keep to it
        resource.setrlimit(resource.RLIMIT_AS, (memory_limit_mb << 20, memory_limit_mb << 20))


if __name__ == "__main__":
    main(int(sys.argv[1]))
