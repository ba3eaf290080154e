"""A store whose writer was killed again and again is, byte for byte, that of a writer whom nobody disturbed."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from killed_writer import COLUMNS, SHAPE, UNITS, unit, write

from medtrimix.config.files import telling_full_disk
from medtrimix.data import journal, store_writer
from medtrimix.data.journal import read_entries
from medtrimix.data.store import ArrayStore, is_finished
from medtrimix.data.store_writer import JOURNAL, StoreWriter
from medtrimix.errors import StepFailed

_WRITER = Path(__file__).with_name("killed_writer.py")


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_writer, "_SHARD_BYTES", store_writer._SHARD_BYTES)  # `write` makes them small


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert len(list(write(folder))) == UNITS
    found = contents(folder)
    assert set(found) == {*(f"images-{number:05d}.npy" for number in range(12)), "index.parquet", "store.json"}
    return found


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def killed_after(folder: Path, units: int) -> list[int]:
    """Numbers of the units that a writer has done until it is killed, which may be one less than it did."""
    done = []
    with subprocess.Popen([sys.executable, _WRITER, folder], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            done.append(int(line))
            if len(done) == units:
                process.kill()
    return done


def test_kills_anywhere_leave_no_trace(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    chance = random.Random(0)
    done: list[int] = []
    for _ in range(4):
        mine = killed_after(tmp_path, chance.randint(1, 150))
        assert done == [] or mine[0] in (done[-1] + 1, done[-1] + 2), "nothing is done twice"
        done = mine
        assert not is_finished(tmp_path)
    rest = list(write(tmp_path))
    assert rest[0] in (done[-1] + 1, done[-1] + 2)
    assert contents(tmp_path) == undisturbed


@pytest.mark.parametrize("stop_at", [0, 1, 249, 250, 251, 599])
def test_a_stop_on_request_loses_nothing(tmp_path: Path, undisturbed: dict[str, bytes], stop_at: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        list(write(tmp_path, stop_at=stop_at))
    assert list(write(tmp_path)) == list(range(stop_at + 1, UNITS))
    assert contents(tmp_path) == undisturbed


def _interrupted(folder: Path) -> Path:
    with pytest.raises(KeyboardInterrupt):
        list(write(folder, stop_at=303))
    return folder


def _cut_line(folder: Path) -> None:
    path = folder / JOURNAL
    path.write_bytes(path.read_bytes()[:-7])


def _zeros_at_the_end(folder: Path) -> None:
    with (folder / JOURNAL).open("ab") as file:
        file.write(bytes(500) + b"\n")


def _half_an_image_more(folder: Path) -> None:
    with max(folder.glob("images-*.npy")).open("ab") as file:
        file.write(b"\x55" * 100)


def _a_shard_more(folder: Path) -> None:
    (folder / "images-00011.npy").write_bytes(b"\x55" * 1000)


def _half_an_index(folder: Path) -> None:
    (folder / ".index.parquet.123.tmp").write_bytes(b"\x55" * 1000)
    (folder / "index.parquet").write_bytes(b"\x55" * 1000)


@pytest.mark.parametrize("wound", [_cut_line, _zeros_at_the_end, _half_an_image_more, _a_shard_more, _half_an_index])
def test_what_a_power_cut_leaves_is_cut_back(tmp_path: Path, undisturbed: dict[str, bytes], wound: object) -> None:
    wound(_interrupted(tmp_path))  # type: ignore[operator]
    assert len(list(write(tmp_path))) in (UNITS - 304, UNITS - 303)
    assert contents(tmp_path) == undisturbed


def _a_shard_less(folder: Path) -> None:
    (folder / "images-00002.npy").unlink()


def _a_shorter_shard(folder: Path) -> None:
    os.truncate(max(folder.glob("images-*.npy")), 500)


def _other_facts(folder: Path) -> None:
    path = folder / JOURNAL
    path.write_bytes(path.read_bytes().replace(b'"uint8"', b'"int16"', 1))


@pytest.mark.parametrize("wound", [_a_shard_less, _a_shorter_shard, _other_facts])
def test_what_can_not_be_continued_is_begun_anew(tmp_path: Path, undisturbed: dict[str, bytes], wound: object) -> None:
    wound(_interrupted(tmp_path))  # type: ignore[operator]
    assert len(list(write(tmp_path))) == UNITS
    assert contents(tmp_path) == undisturbed


@pytest.mark.skipif(sys.platform != "linux", reason="names open files by /proc")
def test_the_journal_never_promises_what_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Order of the syncs: all images of a unit before its line."""
    calls: list[str] = []
    sync = os.fsync

    def told(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        calls.append("journal" if name == JOURNAL else "images")
        sync(descriptor)

    with StoreWriter(tmp_path, image_shape=SHAPE, dtype="uint8", columns=COLUMNS, commit_every_s=60.0) as writer:
        images, rows, note = unit(2)
        writer.add(images, rows=rows, note=note)
        assert (tmp_path / JOURNAL).stat().st_size == 0, "it is not time yet"
        monkeypatch.setattr(os, "fsync", told)
        writer.commit()
        monkeypatch.undo()
        assert calls == ["images", "journal"]
        assert len(list(read_entries(tmp_path / JOURNAL))) == 2


@pytest.fixture
def full_after(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A disk with room for so many more bytes; 0 for ever after."""
    room = [1 << 40]
    write_some = os.write

    def limited(descriptor: int, data: memoryview | bytes) -> int:
        if room[0] == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write_some(descriptor, bytes(data)[: room[0]])
        room[0] -= written
        return written

    monkeypatch.setattr(journal.os, "write", limited)
    return room


@pytest.mark.parametrize("room", [0, 50, 1000, 40_000, 100_001])
def test_a_full_disk_is_told_and_what_is_whole_is_kept(
    tmp_path: Path, undisturbed: dict[str, bytes], full_after: list[int], room: int
) -> None:
    full_after[0] = room
    with pytest.raises(StepFailed, match="The disk is full"), telling_full_disk():
        list(write(tmp_path))
    full_after[0] = 1 << 40
    rest = list(write(tmp_path))
    assert len(rest) < UNITS or room < 1000
    assert contents(tmp_path) == undisturbed


def test_other_errors_of_the_disk_are_not_called_full() -> None:
    with pytest.raises(PermissionError), telling_full_disk():
        raise PermissionError(errno.EACCES, "denied")


def test_a_store_in_parts_reads_like_one(tmp_path: Path) -> None:
    list(write(_interrupted(tmp_path)))
    store = ArrayStore.open(tmp_path)
    numbers = store.columns("rows")["rows"].to_numpy()
    assert len(store) == len(numbers) == 1200
    firsts = np.flatnonzero(np.diff(numbers, prepend=-1))
    np.testing.assert_array_equal(store.images(firsts)[:, 0, 0, 0], numbers[firsts] * 7 % 256)
