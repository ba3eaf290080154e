"""What a decoder can do to the process that it runs in; imported by the worker processes of `test_pool`."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import time
import warnings
from pathlib import Path


def square(number: int) -> int:
    return number * number


def twice(task: bytes) -> bytes:
    return task * 2


def misbehave(task: tuple[str, int]) -> int:
    """Does what the first entry says, or gives back the second."""
    what, number = task
    match what:
        case "raise":
            raise ValueError("CANARY in a message")
        case "panic":
            raise Panic("CANARY")
        case "memory":
            return len(bytearray(8 << 30))
        case "segfault":
            return ctypes.string_at(0)[0]
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(0)
        case "hang":
            while True:
                time.sleep(60)
        case "talk":
            print("CANARY")
            os.write(1, b"CANARY")
            os.write(2, b"CANARY")
            logging.getLogger("pydicom").debug("CANARY")
            logging.getLogger("pydicom").error("CANARY")
            warnings.warn("CANARY", stacklevel=1)
        case "interrupt":
            os.kill(os.getpid(), signal.SIGINT)
        case "slow":
            time.sleep(0.02)
    return number


def my_pid(_: int) -> int:
    return os.getpid()


def leave_a_trace(task: tuple[str, int]) -> int:
    folder, number = task
    (Path(folder) / str(number)).touch()
    return number


def leave_much_but_first_nothing(task: tuple[str, int]) -> bytes:
    if leave_a_trace(task) == 0:
        time.sleep(1.5)
    return bytes(16 << 20)


def modules(_: int) -> list[str]:
    return sorted(sys.modules)


class Panic(BaseException):
    """Like PyO3's PanicException: not an Exception."""
