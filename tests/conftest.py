"""What every test shares: real data when it is there, a secret of its own, and no network."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

_REPO = Path(__file__).resolve().parents[1]
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with pneumoniamnist.npz and nih_cxr; tests that need it are skipped where it is absent."""
    for folder in (os.environ.get("MEDTRIMIX_DATA", ""), _REPO / "data", _REPO.parent / "shared" / "data"):
        if folder and (Path(folder) / "nih_cxr" / "truth.csv").is_file():
            return Path(folder).resolve()
    pytest.skip("real images are absent: set MEDTRIMIX_DATA to the folder with nih_cxr and pneumoniamnist.npz")


@pytest.fixture(autouse=True)
def _own_secret(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or makes the user's own secret."""
    monkeypatch.setenv("MEDTRIMIX_SECRET_FILE", str(tmp_path_factory.getbasetemp() / "site.secret"))


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any connection to another machine is a failure; loopback and local sockets stay open."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else None
        if host is not None and host not in _LOOPBACK:
            raise AssertionError(f"a test tried to reach the network: {host}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)
