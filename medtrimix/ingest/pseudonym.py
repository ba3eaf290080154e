"""Keyed pseudonyms: the same patient gets the same name at one site, and nobody without the secret can undo it.

Pseudonym = HMAC-SHA256(site secret, domain, fields), cut to 160 bits, in lower-case base32. Plain digests would not do:
patient numbers are short enough to try them all.
"""

from __future__ import annotations

import base64
import hmac
import os
import secrets
import stat
import unicodedata
from pathlib import Path

from medtrimix.errors import InputError

_SECRET_BYTES = 32
_PSEUDONYM_BYTES = 20  # 160 bits: 32 characters, no padding


class SiteSecret(bytes):
    """The site's key: its repr is masked, so that tracebacks and logs can't show it."""

    def __repr__(self) -> str:
        return "SiteSecret(**********)"

    __str__ = __repr__


class Pseudonyms:
    """Names for whatever identifies, each kind in a domain of its own, so that equal texts don't give equal names."""

    def __init__(self, secret: bytes) -> None:
        self._secret = SiteSecret(secret)

    def __repr__(self) -> str:
        return f"Pseudonyms(key_id={self.key_id!r})"

    @property
    def key_id(self) -> str:
        """Says which secret was used without saying the secret: 16 hex digits."""
        return self._mac("key id").hex()[:16]

    def patient(self, identifier: str, *, issuer: str = "") -> str:
        """Pseudonym of a patient; `issuer` is the authority that gave the number out."""
        return self._name("patient", normalised(issuer), normalised(identifier))

    def study(self, uid: str) -> str:
        """Pseudonym of a study."""
        return self._name("study", uid)

    def series(self, uid: str) -> str:
        """Pseudonym of a series."""
        return self._name("series", uid)

    def file(self, relative: str, *, part: int = 0) -> str:
        """Pseudonym of a file by its path below the root; `part` tells the samples of one file apart, from 0."""
        return self._name("file", relative, *([str(part)] if part else []))

    def instance(self, uid: str, *, part: int = 0) -> str:
        """Pseudonym of a DICOM instance, wherever it lies; `part` as for a file."""
        return self._name("instance", uid, *([str(part)] if part else []))

    def device(self, text: str) -> str:
        """Pseudonym of a make of device: 8 characters, enough to tell those of one site apart."""
        return self._name("device", normalised(text))[:8]

    def site(self, text: str) -> str:
        """Pseudonym of a place: 8 characters, as for a device."""
        return self._name("site", normalised(text))[:8]

    def keyed_digest(self, text: str) -> str:
        """64 hex digits that stand for `text`: for joins and for cache keys that must not give the text away."""
        return self._mac("digest", text).hex()

    def _name(self, domain: str, *fields: str) -> str:
        return base64.b32encode(self._mac(domain, *fields)[:_PSEUDONYM_BYTES]).decode().lower()

    def _mac(self, *fields: str) -> bytes:
        # NUL separates the fields, so it can't be part of one: ("a", "bc") and ("ab", "c") differ.
        message = "\0".join(field.replace("\0", "") for field in fields)
        return hmac.digest(self._secret, message.encode("utf-8", "surrogateescape"), "sha256")


def normalised(identifier: str) -> str:
    """An identifier as it is compared: Unicode compatibility form, upper case, no padding around it.

    Two spellings of one patient would become two patients and could leak across a split; one patient too few can not.
    """
    return unicodedata.normalize("NFKC", identifier).strip(" \0\t\r\n").upper()


def load_or_create_secret() -> bytes:
    """The site's 32 secret bytes, made on first use.

    They lie in `$MEDTRIMIX_SECRET_FILE`, else in `~/.config/medtrimix/site.secret`, readable by the owner alone.
    Whoever loses the file gets other pseudonyms; whoever copies it can find patients again.

    Raises:
        InputError: the file can't be made or read, is readable by others, or is not 32 bytes long.
    """
    try:
        path = Path(os.environ.get("MEDTRIMIX_SECRET_FILE") or Path.home() / ".config" / "medtrimix" / "site.secret")
        if not path.exists():
            _create(path)
        mode, secret = path.stat().st_mode, path.read_bytes()
    except (OSError, RuntimeError) as error:  # RuntimeError: an account without a home folder
        reason = getattr(error, "strerror", None) or "this account has no home folder"
        raise InputError(
            f"the site secret can't be made or read: {reason}.",
            where="site secret",
            fix="Set MEDTRIMIX_SECRET_FILE to a file in a folder that you may write to.",
        ) from None
    if stat.S_IMODE(mode) & 0o077:
        raise InputError("the site secret can be read by others.", where="site secret", fix="chmod 600 its file.")
    if len(secret) != _SECRET_BYTES:
        raise InputError(
            f"the site secret has {len(secret)} bytes instead of {_SECRET_BYTES}.",
            where="site secret",
            fix="Restore its file from a copy, or remove it to begin with new pseudonyms.",
        )
    return SiteSecret(secret)


def _create(path: Path) -> None:
    """Two processes may get here at once: the file appears whole, and the first one wins."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)  # unlike a rename, this never replaces the other process's secret
        except FileExistsError:
            return
    finally:
        temporary.unlink()
