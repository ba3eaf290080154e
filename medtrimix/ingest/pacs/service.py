"""The address of a DICOMweb service, as a pipeline file names it: what may stand in it, and what may not."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import SplitResult, parse_qsl, urlsplit

from medtrimix.errors import SourceError
from medtrimix.ingest.options import SERVICE


def _is_modality(text: str) -> bool:
    return re.fullmatch(r"[A-Z0-9_]{2,16}", text) is not None


def _is_day_or_range(text: str) -> bool:
    """A day of the calendar, or two that don't go backwards, of which one may be missing (PS3.4 C.2.2.2.5)."""
    days = text.split("-")
    known = [day for day in days if day]
    return 1 <= len(known) <= len(days) <= 2 and all(map(_is_day, known)) and known == sorted(known)


def _is_day(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y%m%d")
    except ValueError:
        return False
    return re.fullmatch("[0-9]{8}", text) is not None


_FILTERS = {"Modality": _is_modality, "StudyDate": _is_day_or_range}


@dataclass(frozen=True)
class Service:
    """A DICOMweb service, and which part of what it has is wanted.

    Attributes:
        url: where it is, without a slash at the end: `https://host/dicom-web`.
        modality: of the series, "" for all.
        study_date: a day YYYYMMDD, or a range of days with an open end or without, "" for all.
    """

    url: str
    modality: str = ""
    study_date: str = ""


def parse_service(source: str) -> Service:
    """The service that `data.source` names: `dicomweb+https://host/path?Modality=CT&StudyDate=20200101-20201231`.

    Modality and StudyDate are the filters that the standard makes every service support (PS3.18 10.6.1.2.1) and that
    name nobody; a name or a number of a patient does not belong in a pipeline file.

    Raises:
        SourceError: the address is wrong, holds credentials, or would send pictures in the clear. It is not repeated.
    """
    address = _split(source)
    if address is None or address.scheme not in ("http", "https") or not address.hostname or address.fragment:
        raise _problem("it is no address of a DICOMweb service.", fix="Write dicomweb+https://host/path.")
    if "@" in address.netloc:
        raise _problem(
            "the address holds credentials, which do not belong in a pipeline file.",
            fix="Set MEDTRIMIX_DICOMWEB_USER and MEDTRIMIX_DICOMWEB_PASSWORD instead.",
        )
    if ":" in address.hostname:
        raise _problem("an IPv6 address is not supported.", fix="Write the name of the machine.")
    if address.scheme == "http" and not _is_this_machine(address.hostname):
        raise _problem(
            "http would send pictures and identifiers through the network in the clear.",
            fix="Write dicomweb+https://, or use http to this machine and a tunnel: ssh -L 8042:localhost:8042 HOST.",
        )
    filters = _filters(address.query)
    return Service(
        url=f"{address.scheme}://{address.netloc}{address.path.rstrip('/')}",
        modality=filters.get("Modality", ""),
        study_date=filters.get("StudyDate", ""),
    )


def _split(source: str) -> SplitResult | None:
    # The inputs of a step are Paths, and a Path folds the two slashes of an address into one.
    text = re.sub(r"^(https?):/(?!/)", r"\1://", source.removeprefix(SERVICE))
    try:
        address = urlsplit(text)
        address.port  # noqa: B018 - raises if it is no number
    except ValueError:
        return None
    return address


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _filters(query: str) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    values = dict(pairs)
    if len(values) != len(pairs) or values.keys() - _FILTERS.keys():
        raise _problem(
            "there are filters in the address that are not supported.", fix="Take Modality and StudyDate, once each."
        )
    if not all(_FILTERS[name](value) for name, value in values.items()):
        raise _problem(
            "a filter in the address has no valid value.",
            fix="Examples: Modality=CT, StudyDate=20200101-20201231, StudyDate=20200101-.",
        )
    return values


def _problem(what: str, *, fix: str) -> SourceError:
    return SourceError(what, where="data.source", fix=fix)
