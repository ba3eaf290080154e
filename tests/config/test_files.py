"""Files and folders that several processes may want at once."""

from __future__ import annotations

import threading
from pathlib import Path

from medtrimix.config.files import alone_in


def test_a_folder_is_given_to_one_at_a_time(tmp_path: Path) -> None:
    inside, left = threading.Event(), threading.Event()
    order: list[str] = []

    def second() -> None:
        inside.wait()
        with alone_in(tmp_path / "new"):
            order.append("second")

    other = threading.Thread(target=second)
    other.start()
    with alone_in(tmp_path / "new"):
        inside.set()
        left.wait(0.5)  # time enough for the other, if it could
        order.append("first")
    other.join()
    assert order == ["first", "second"]
