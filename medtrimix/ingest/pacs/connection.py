"""The connection to a DICOMweb service: credentials from the environment, patience, silence, and one clear error."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from medtrimix.errors import SourceError

if TYPE_CHECKING:
    from requests import PreparedRequest, Session

_TOKEN, _USER, _PASSWORD = (f"MEDTRIMIX_DICOMWEB_{name}" for name in ("TOKEN", "USER", "PASSWORD"))
_TALKATIVE = ("dicomweb_client", "retrying", "requests", "urllib3", "charset_normalizer", "chardet")
_RETRIES = 4
_BACKOFF_S = 0.5  # waits of 0, 1, 2 and 4 seconds: a service that is started again is waited for
_BUSY = (429, 502, 503, 504)


def connected(url: str) -> Session:
    """A session for a service, with the credentials that the environment or a .netrc has for it.

    Certificates are always checked, against `REQUESTS_CA_BUNDLE` if it is set. A redirect is an error: identifiers go
    to the machine that the pipeline file names and to no other.

    Raises:
        SourceError: the extra `dicomweb` is not installed.
    """
    _require_extra()
    from requests import Session
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    session = Session()
    session.trust_env = url.startswith("https:")  # a proxy would otherwise be asked for this machine itself
    session.auth = _credentials(url)
    session.max_redirects = 0
    patience = Retry(
        total=_RETRIES,
        read=False,  # who got no answer in time shall hear so, and not wait for as long again
        backoff_factor=_BACKOFF_S,
        status_forcelist=_BUSY,
        raise_on_status=False,
        respect_retry_after_header=False,  # it may say hours
    )
    session.mount(url, HTTPAdapter(max_retries=patience))
    return session


def _require_extra() -> None:
    try:
        import dicomweb_client  # noqa: F401
    except ImportError:
        missing = True
    else:
        missing = False
    if missing:
        raise SourceError(
            "reading from a DICOMweb service needs a package that is not installed.",
            where="data.source",
            fix="pip install -c constraints.txt -e '.[dicomweb]'",
        )


def _credentials(url: str) -> Callable[[PreparedRequest], PreparedRequest] | None:
    from requests.auth import HTTPBasicAuth
    from requests.utils import get_netrc_auth

    token, user, password = (os.environ.get(name, "").strip() for name in (_TOKEN, _USER, _PASSWORD))
    if token:
        return lambda request: _with_token(request, token)
    if user:
        return HTTPBasicAuth(user.encode(), password.encode())
    known = get_netrc_auth(url)
    return HTTPBasicAuth(*known) if known else None


def _with_token(request: PreparedRequest, token: str) -> PreparedRequest:
    request.headers["Authorization"] = f"Bearer {token}"
    return request


@contextmanager
def silent() -> Iterator[None]:
    """Keeps the libraries' loggers quiet, at every level: they write addresses and UIDs.

    Raises:
        SourceError: the extra `dicomweb` is not installed.
    """
    _require_extra()  # imports all of them: a logger that is made later would speak
    loggers = [
        logging.getLogger(name)
        for name in [*_TALKATIVE, *logging.root.manager.loggerDict]
        if name.partition(".")[0] in _TALKATIVE
    ]
    before = [logger.disabled for logger in loggers]
    try:
        for logger in loggers:
            logger.disabled = True
        yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled


def failure(error: Exception) -> SourceError:
    """What went wrong, in words that hold no address, no UID and no credential."""
    from requests import exceptions

    match error:
        case exceptions.HTTPError(response=response) if response is not None:
            return _refusal(response.status_code)
        case exceptions.SSLError():
            return _problem(
                "the certificate of the DICOMweb service is not trusted.",
                fix="Set REQUESTS_CA_BUNDLE to the certificate of the authority that signed it.",
            )
        case exceptions.Timeout():
            return _problem("the DICOMweb service did not answer in time.", fix="Try again, or narrow the filters.")
        case exceptions.TooManyRedirects():
            return _problem(
                "the DICOMweb service redirects to another address.",
                fix="Write that address, if it is one that you trust; a login page means missing credentials.",
            )
        case exceptions.ConnectionError():
            return _problem("the DICOMweb service can't be reached.", fix="Check the address, and that it is running.")
        case _:
            return not_a_service()


def not_a_service() -> SourceError:
    """Something answers, but not as a DICOMweb service."""
    return _problem(
        "what answers at this address is no DICOMweb service (QIDO-RS).",
        fix="Check the path of the address: /dicom-web, /dcm4chee-arc/aets/NAME/rs, ...",
    )


def incomplete() -> SourceError:
    """There is more than what is found."""
    return _problem(
        "the DICOMweb service lists less than it says it has, or does not list it page by page.",
        fix="Ask who runs it for QIDO-RS paging (limit and offset), or narrow the filters, or export to a folder.",
    )


def _refusal(status: int) -> SourceError:
    if status in (401, 403):
        return _problem(
            f"the DICOMweb service refuses the credentials (HTTP {status}).",
            fix=f"Set {_TOKEN}, or {_USER} and {_PASSWORD}.",
        )
    if status == 404:
        return not_a_service()
    return _problem(f"the DICOMweb service answers with an error (HTTP {status}).", fix="Ask who runs it.")


def _problem(what: str, *, fix: str) -> SourceError:
    return SourceError(what, where="data.source", fix=fix)
