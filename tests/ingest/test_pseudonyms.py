"""Pseudonyms are stable, separate, keyed; the secret is made once, guarded, and never shown."""

from __future__ import annotations

import os
import pickle
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medtrimix.errors import InputError
from medtrimix.ingest.pseudonym import Pseudonyms, load_or_create_secret, normalised

NAMES = Pseudonyms(b"\x01" * 32)


def test_a_pseudonym_is_160_bits_of_lower_case_base32() -> None:
    assert re.fullmatch("[a-z2-7]{32}", NAMES.patient("MRN0001"))


def test_known_answer() -> None:
    # Worked by hand: HMAC-SHA256(32 x 01, "study" NUL "1.2.3"), first 20 bytes, RFC 4648 base32.
    import base64
    import hashlib
    import hmac

    mac = hmac.new(b"\x01" * 32, b"study\x001.2.3", hashlib.sha256).digest()
    assert NAMES.study("1.2.3") == base64.b32encode(mac[:20]).decode().lower()


@given(st.text(max_size=20))
def test_domains_and_secrets_give_different_names(text: str) -> None:
    names = {NAMES.patient(text), NAMES.study(text), NAMES.series(text), NAMES.file(text)}
    assert len(names) == 4
    assert Pseudonyms(b"\x02" * 32).patient(text) not in names


@given(st.text(min_size=1, max_size=8), st.text(min_size=1, max_size=8))
def test_issuer_and_number_do_not_run_into_each_other(issuer: str, number: str) -> None:
    if normalised(issuer):
        assert NAMES.patient(number, issuer=issuer) != NAMES.patient(issuer + number)


@pytest.mark.parametrize("spelling", [" mrn1", "MRN1 ", "MRN1\0", "\uff2d\uff32\uff2e\uff11"])
def test_spellings_of_one_number_are_one_patient(spelling: str) -> None:
    assert NAMES.patient(spelling) == NAMES.patient("MRN1")
    assert NAMES.patient(spelling + "2") != NAMES.patient("MRN1")


def test_the_secret_is_never_shown() -> None:
    secret = load_or_create_secret()
    names = pickle.loads(pickle.dumps(Pseudonyms(secret)))
    shown = f"{secret!r} {secret} {names!r} {vars(names)} {names.key_id}"
    assert bytes(secret).hex() not in shown
    assert repr(bytes(secret)) not in shown
    assert names.patient("x") == Pseudonyms(bytes(secret)).patient("x")


def test_the_secret_is_made_once_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "site.secret"
    monkeypatch.setenv("MEDTRIMIX_SECRET_FILE", str(path))
    first = load_or_create_secret()
    assert len(first) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_create_secret() == first
    assert [file.name for file in path.parent.iterdir()] == ["site.secret"]


def test_processes_that_race_get_one_secret(tmp_path: Path) -> None:
    script = "from medtrimix.ingest.pseudonym import *; print(Pseudonyms(load_or_create_secret()).key_id)"
    environment = {
        **os.environ,
        "MEDTRIMIX_SECRET_FILE": str(tmp_path / "a" / "site.secret"),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    racers = [
        subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE) for _ in range(4)
    ]
    assert len({racer.communicate()[0] for racer in racers}) == 1
    assert [racer.returncode for racer in racers] == [0] * 4


@pytest.mark.parametrize("file", ["/proc/canary/site.secret", "/proc/self/status/site.secret", "/"])
def test_a_secret_that_can_not_be_made_or_read_names_the_variable(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDTRIMIX_SECRET_FILE", file)
    with pytest.raises(InputError, match="MEDTRIMIX_SECRET_FILE") as caught:
        load_or_create_secret()
    assert "canary" not in str(caught.value)


def test_an_account_without_a_home_needs_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("MEDTRIMIX_SECRET_FILE", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(InputError, match="no home folder"):
        load_or_create_secret()


def test_a_secret_others_can_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "site.secret"
    path.write_bytes(b"x" * 32)
    path.chmod(0o644)
    monkeypatch.setenv("MEDTRIMIX_SECRET_FILE", str(path))
    with pytest.raises(InputError, match="read by others"):
        load_or_create_secret()
    path.chmod(0o600)
    assert load_or_create_secret() == b"x" * 32
    path.write_bytes(b"short")
    with pytest.raises(InputError, match="5 bytes"):
        load_or_create_secret()
