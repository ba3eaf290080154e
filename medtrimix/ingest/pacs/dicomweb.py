"""DICOM instances from a PACS: what there is over QIDO-RS, and their bytes over WADO-RS (PS3.18 chapter 10).

Searching is `dicomweb-client`'s. Retrieving is not: it would parse the answer (and inflate it, if it is a bomb) and
hold it several times over. Here the bytes of an instance stay as the service has them, in memory only and never above
a limit, and go through the same reading as a file of a folder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from email.message import Message
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from medtrimix.ingest.options import SERVICE, DataOptions
from medtrimix.ingest.pacs.connection import connected, failure, incomplete, not_a_service, silent
from medtrimix.ingest.pacs.multipart import collect, first_part
from medtrimix.ingest.pacs.service import Service
from medtrimix.ingest.verdict import Refused, Verdict

if TYPE_CHECKING:
    from dicomweb_client import DICOMwebClient
    from requests import Response, Session

_STUDY_UID, _SERIES_UID, _INSTANCE_UID = "0020000D", "0020000E", "00080018"
_MODALITY, _STUDY_DATE = "00080060", "00080020"
_SERIES_IN_STUDY, _INSTANCES_IN_SERIES = "00201206", "00201209"
_PAGE = 100  # results; some services give no more at once, or refuse to
_CONNECT_S, _SEARCH_S = 10.0, 60.0
_ATTEMPTS = 3
_CHUNK_BYTES = 1 << 20
_UID = re.compile(r"[0-9A-Za-z._-]+")  # digits and dots, by the standard; what can stand in an address, in practice
_HEADERS = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}  # as stored, not transcoded

Result = Mapping[str, Any]
Search = Callable[..., list[Any]]


class Instance(NamedTuple):
    """The UIDs that a service finds an instance by."""

    study: str
    series: str
    instance: str


def instances(service: Service) -> list[Instance]:
    """Everything that a service has and that passes its filters.

    Raises:
        SourceError: it can't be reached or asked, or does not answer as the standard says.
    """
    found = []
    with silent(), connected(service.url) as session:
        client = _client(service, session)
        studies = partial(client.search_for_studies, search_filters=_filters(StudyDate=service.study_date))
        of_modality = partial(_is_of, service.modality)
        for study, facts in _found(studies, key=_STUDY_UID, wanted=partial(_in_range, service.study_date)):
            series_of = partial(client.search_for_series, study, search_filters=_filters(Modality=service.modality))
            count = None if service.modality else _count(facts, _SERIES_IN_STUDY)
            for series, more in _found(series_of, key=_SERIES_UID, total=count, wanted=of_modality):
                members = partial(client.search_for_instances, study, series)
                uids = _found(members, key=_INSTANCE_UID, total=_count(more, _INSTANCES_IN_SERIES))
                found += [Instance(study, series, uid) for uid, _ in uids]
    return found


def require_alive(service: Service) -> None:
    """Asks for one study, whatever it is.

    Raises:
        SourceError: the service does not answer, or not to us.
    """
    with silent(), connected(service.url) as session:
        _asked(partial(_client(service, session).search_for_studies, limit=1))


def open_instance(place: str, *, options: DataOptions) -> BinaryIO:
    """An instance as a file in memory; identifiers are in it, so it never lies on a disk.

    Args:
        place: as the listing says it: `dicomweb+https://host/path#study/series/instance`.
        options: the instance may take half of `memory_limit_mb`; the other half is for decoding.

    Raises:
        Refused: missing_file, timeout, too_large, truncated, or unreadable for every other failure.
    """
    from requests import RequestException, Timeout

    url, _, name = place.removeprefix(SERVICE).partition("#")
    study, series, instance = name.split("/")
    address = f"{url}/studies/{study}/series/{series}/instances/{instance}"
    for _ in range(_ATTEMPTS):
        try:
            with _kept_session(url).get(
                address, headers=_HEADERS, stream=True, timeout=(_CONNECT_S, options.timeout_s)
            ) as response:
                return _content(response, max_bytes=options.memory_limit_mb << 19)
        except Timeout:
            raise Refused(Verdict.timeout) from None
        except RequestException:  # a connection that broke off, most of all
            continue
    raise Refused(Verdict.unreadable)


@lru_cache(maxsize=1)
def _kept_session(url: str) -> Session:
    """One for the life of the decoding process, so that it connects once."""
    return connected(url)


def _content(response: Response, *, max_bytes: int) -> BinaryIO:
    if response.status_code in (404, 410):
        raise Refused(Verdict.missing_file)
    if response.status_code != 200:
        raise Refused(Verdict.unreadable)
    kind = Message()
    kind["Content-Type"] = response.headers.get("Content-Type", "")
    boundary = kind.get_boundary()
    chunks = response.iter_content(_CHUNK_BYTES)
    if kind.get_content_type() == "application/dicom":  # some services leave the envelope out
        return collect(chunks, max_bytes=max_bytes)
    if kind.get_content_type() != "multipart/related" or boundary is None:
        raise Refused(Verdict.unreadable)
    return first_part(chunks, boundary=boundary, max_bytes=max_bytes)


def _client(service: Service, session: Session) -> DICOMwebClient:
    from dicomweb_client import DICOMwebClient

    client = DICOMwebClient(service.url, session=session, permissive_uid=True, timeout=(_CONNECT_S, _SEARCH_S))
    client.set_http_retry_params(retry=False)  # the session does that
    return client


def _filters(**values: str) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def _found(
    search: Search, *, key: str, total: int | None = None, wanted: Callable[[Result], bool] = lambda _: True
) -> Iterator[tuple[str, Result]]:
    """UIDs and all else that is said of them, page by page, until a page brings nothing new.

    A short page need not be the last, since services may give fewer results than they are asked for, unless there are
    `total` by then. `wanted` filters once more, since some services ignore filters.

    Raises:
        SourceError: there are fewer than `total`, or a full page comes twice: the service ignores `offset`.
    """
    known: set[str] = set()
    offset = 0
    while True:
        page = _asked(partial(search, limit=_PAGE, offset=offset))
        fresh = {uid: result for result in page if (uid := _uid(result, key=key)) not in known}
        yield from ((uid, result) for uid, result in fresh.items() if wanted(result))
        known |= fresh.keys()
        offset += len(page)
        complete = total is not None and len(known) >= total
        if not fresh and (len(known) < (total or 0) or (len(page) == _PAGE and len(known) != total)):
            raise incomplete()
        if not fresh or (complete and len(page) < _PAGE):
            return


def _asked(search: Search) -> list[Result]:
    try:
        return search()
    except (OSError, ValueError) as error:  # requests' errors are one or the other
        problem = failure(error)
    raise problem  # out here, so that no chained error shows an address or a UID


def _uid(result: Result, *, key: str) -> str:
    uid = _value(result, key)
    if not _UID.fullmatch(uid):
        raise not_a_service()
    return uid


def _value(result: Result, key: str) -> str:
    """First value of an element in the DICOM JSON model, "" if there is none."""
    try:
        return str(result[key]["Value"][0])
    except (LookupError, TypeError):
        return ""


def _count(result: Result, key: str) -> int | None:
    """A number that the standard wants to be told (PS3.18 10.6.3.3.1), None if it is not."""
    text = _value(result, key)
    return int(text) if text.isdecimal() else None


def _is_of(modality: str, series: Result) -> bool:
    return modality in ("", _value(series, _MODALITY))


def _in_range(study_date: str, study: Result) -> bool:
    if not study_date:
        return True
    first, has_end, last = study_date.partition("-")
    return first <= _value(study, _STUDY_DATE) <= (last or "99999999" if has_end else first)
