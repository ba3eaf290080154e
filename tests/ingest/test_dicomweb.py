"""Ingest from a DICOMweb service that behaves, and from one that does not."""

from __future__ import annotations

import base64
import contextlib
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from io import StringIO
from pathlib import Path

import pytest
from dicom_files import CANARIES, noise, radiograph, write
from fake_pacs import BOUNDARY, Answer, Pacs, envelope, part10, serving
from pydicom.dataset import Dataset

from medtrimix.errors import ConfigError, SourceError, StepFailed
from medtrimix.ingest.options import DataOptions
from medtrimix.ingest.pacs import connection, dicomweb
from medtrimix.ingest.pacs.dicomweb import instances, open_instance
from medtrimix.ingest.pacs.multipart import first_part
from medtrimix.ingest.pacs.service import Service, parse_service
from medtrimix.ingest.pseudonym import Pseudonyms
from medtrimix.ingest.sample import Outcome
from medtrimix.ingest.source import content_digest, ingest, stat_fingerprint
from medtrimix.ingest.verdict import Refused, Verdict
from medtrimix.pipeline.load import load_study
from medtrimix.pipeline.machine import resolve
from medtrimix.pipeline.plan import make_plan
from medtrimix.report.collect import masked_config

NAMES = Pseudonyms(b"\x01" * 32)
STUDY = "name: a\ndata:\n  source: {}\npretrain:\n  arms:\n    a: {{method: trimix}}\n"
HTML = Answer(b"<html>CANARY</html>", kind="text/html")


def _pictures(count: int = 6) -> list[Dataset]:
    """Two to a series, three to a study."""
    return [
        radiograph(
            noise(seed=place),
            StudyInstanceUID=f"1.2.66.{place // 3}",
            SeriesInstanceUID=f"1.2.66.{place // 3}.{place % 3 // 2}",
            PatientID=f"MRN000{place // 3}",
            StudyDate=f"202{place // 3}0615",
            Modality="CR" if place % 3 < 2 else "DX",
        )
        for place in range(count)
    ]


@pytest.fixture
def pacs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pacs]:
    monkeypatch.setattr(connection, "_BACKOFF_S", 0)
    for name in ("TOKEN", "USER", "PASSWORD"):
        monkeypatch.delenv(f"MEDTRIMIX_DICOMWEB_{name}", raising=False)
    monkeypatch.setenv("NETRC", "/dev/null")
    with serving(Pacs(_pictures())) as service:
        yield service
        dicomweb._kept_session(service.url).close()
        dicomweb._kept_session.cache_clear()


def _options(pacs: Pacs, **values: object) -> DataOptions:
    return DataOptions.model_validate({"source": pacs.source, "timeout_s": 5.0, **values})


def _assert_says_nothing(error: BaseException, pacs: Pacs | None = None) -> None:
    link: BaseException | None = error
    while link is not None:
        text = f"{link} {link!r} {link.args}"
        assert not any(word in text for word in (*CANARIES, "1.2.66", "127.0.0.1", "hospital", "secret"))
        assert pacs is None or pacs.url not in text
        link = link.__cause__ or link.__context__


# What may stand in the pipeline file


def test_addresses_and_filters() -> None:
    assert parse_service("dicomweb+https://pacs:8443/rs/") == Service("https://pacs:8443/rs")
    assert parse_service("dicomweb+http://localhost:8042/dicom-web") == Service("http://localhost:8042/dicom-web")
    assert parse_service(str(Path("dicomweb+https://pacs/rs"))) == Service("https://pacs/rs"), "one slash is lost"
    both = parse_service("dicomweb+https://pacs/rs?Modality=CT&StudyDate=20200101-")
    assert both == Service("https://pacs/rs", modality="CT", study_date="20200101-")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ftp://pacs.hospital/rs", "no address"),
        ("https:///rs", "no address"),
        ("https://pacs.hospital:port/rs", "no address"),
        ("https://pacs.hospital/rs#CANARY", "no address"),
        ("https://user:secret@pacs.hospital/rs", "credentials"),
        ("https://user@pacs.hospital/rs", "credentials"),
        ("https://[::1]/rs", "IPv6"),
        ("http://pacs.hospital/rs", "in the clear"),
        ("http://127.0.0.1.hospital/rs", "in the clear"),
        ("https://pacs.hospital/rs?PatientName=CANARY", "filters"),
        ("https://pacs.hospital/rs?Modality=CT&Modality=MR", "filters"),
        ("https://pacs.hospital/rs?Modality=CANARY*", "valid value"),
        ("https://pacs.hospital/rs?Modality", "valid value"),
        ("https://pacs.hospital/rs?StudyDate=2020", "valid value"),
        ("https://pacs.hospital/rs?StudyDate=-", "valid value"),
        ("https://pacs.hospital/rs?StudyDate=20209999", "valid value"),
        ("https://pacs.hospital/rs?StudyDate=20230229-", "valid value"),
        ("https://pacs.hospital/rs?StudyDate=2020 1 1", "valid value"),
        ("https://pacs.hospital/rs?StudyDate=20200102-20200101", "valid value"),
        ("https://pacs.hospital/rs?StudyDate=20200101-20200102-20200103", "valid value"),
    ],
)
def test_addresses_that_are_refused_are_not_repeated(address: str, message: str) -> None:
    with pytest.raises(SourceError, match=message) as error:
        ingest(DataOptions(source=f"dicomweb+{address}"), pseudonyms=NAMES, workers=1)
    assert error.value.where == "data.source"
    _assert_says_nothing(error.value)


# Searching


@pytest.mark.parametrize("most_results", [1, 2, 1000])
def test_every_page_is_asked_for(pacs: Pacs, most_results: int) -> None:
    pacs.most_results = most_results
    expected = [(ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID) for ds in pacs.datasets]
    assert sorted(instances(Service(pacs.url))) == sorted(expected)


@pytest.mark.parametrize(("miscounts_by", "requests"), [(0, 2 + 2 * 1 + 4 * 1), (-1, 8)])
def test_counts_save_requests_and_are_not_trusted_further(pacs: Pacs, miscounts_by: int, requests: int) -> None:
    pacs.says_counts, pacs.miscounts_by = True, miscounts_by
    assert len(instances(Service(pacs.url))) == 6
    assert len(pacs.asked) == requests


def test_less_than_the_service_says_it_has_is_an_error(pacs: Pacs) -> None:
    pacs.says_counts, pacs.miscounts_by = True, 1
    with pytest.raises(SourceError, match="lists less than it says") as error:
        instances(Service(pacs.url))
    _assert_says_nothing(error.value, pacs)


def test_full_pages_are_not_the_last(pacs: Pacs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of one result: a count that is too low ends nothing, and one page for ever is no listing."""
    monkeypatch.setattr(dicomweb, "_PAGE", 1)
    pacs.says_counts, pacs.miscounts_by = True, -1
    assert len(instances(Service(pacs.url))) == 6
    pacs.ignores_offset = True
    for says_counts in (False, True):
        pacs.says_counts, pacs.miscounts_by = says_counts, 0
        with pytest.raises(SourceError, match="page by page"):
            instances(Service(pacs.url))


def test_a_service_that_knows_no_pages_is_asked_twice_and_no_more(pacs: Pacs) -> None:
    pacs.ignores_offset = True
    assert len(instances(Service(pacs.url))) == 6
    assert [path for path, _ in pacs.asked].count("/dicom-web/studies") == 2


@pytest.mark.parametrize("ignores_filters", [False, True])
@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"modality": "DX"}, [2, 5]),
        ({"modality": "MR"}, []),
        ({"study_date": "20210101-"}, [3, 4, 5]),
        ({"study_date": "-20201231"}, [0, 1, 2]),
        ({"study_date": "20200615"}, [0, 1, 2]),
        ({"study_date": "20200616-20210614"}, []),
        ({"study_date": "20200101-20211231", "modality": "CR"}, [0, 1, 3, 4]),
    ],
)
def test_filters_hold_even_if_the_service_ignores_them(
    pacs: Pacs, filters: dict[str, str], expected: list[int], ignores_filters: bool
) -> None:
    pacs.ignores_filters = ignores_filters
    found = {instance.instance for instance in instances(Service(pacs.url, **filters))}
    assert found == {pacs.datasets[place].SOPInstanceUID for place in expected}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(status=401), "refuses the credentials"),
        (Answer(status=403), "refuses the credentials"),
        (Answer(status=404), "no DICOMweb service"),
        (Answer(status=500), "HTTP 500"),
        (Answer(status=503), "HTTP 503"),
        (Answer(status=302, headers={"Location": "https://login.hospital/CANARY"}), "redirects"),
        (HTML, "no DICOMweb service"),
        (Answer(b'{"error": "CANARY"}'), "no DICOMweb service"),
        (Answer(b"[1, 2]"), "no DICOMweb service"),
        (Answer(b'"CANARY"'), "no DICOMweb service"),
        (Answer(b'[{"0020000D": {"Value": ["1.2/../CANARY"]}}]'), "no DICOMweb service"),
        (Answer(b"[]"), "no files"),
        (Answer(), "no files"),
    ],
)
def test_services_that_do_not_answer_a_search(pacs: Pacs, answer: Answer, message: str) -> None:
    pacs.search = lambda _: answer
    for call in (content_digest, stat_fingerprint):
        with pytest.raises(SourceError, match=message) as error:
            call(_options(pacs), pseudonyms=NAMES)
        assert error.value.where == "data.source"
        _assert_says_nothing(error.value, pacs)


def test_a_busy_service_is_asked_again(pacs: Pacs) -> None:
    answers = iter([Answer(status=503), Answer(status=429)])
    pacs.search = lambda _: next(answers, None)
    assert len(instances(Service(pacs.url))) == 6


def test_a_service_that_is_not_there(pacs: Pacs) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(SourceError, match="can't be reached") as error:
        instances(Service(f"http://127.0.0.1:{port}/rs"))
    _assert_says_nothing(error.value)


def test_a_service_that_keeps_silent(pacs: Pacs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicomweb, "_SEARCH_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(SourceError, match="in time") as error:
        instances(Service(f"http://127.0.0.1:{server.getsockname()[1]}/rs"))
    _assert_says_nothing(error.value)


def test_certificates_are_checked(pacs: Pacs) -> None:
    with pytest.raises(SourceError, match="certificate") as error:
        instances(Service(pacs.url.replace("http:", "https:")))
    _assert_says_nothing(error.value, pacs)
    with connection.connected("https://pacs.hospital/rs") as session:
        assert session.verify is True


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dicomweb_client", None)
    with pytest.raises(SourceError, match=r"pip install -c constraints.txt -e '\.\[dicomweb\]'") as error:
        instances(Service("https://pacs.hospital/rs"))
    _assert_says_nothing(error.value)


# Credentials


def _authorization(pacs: Pacs) -> set[str]:
    pacs.asked.clear()
    instances(Service(pacs.url))
    open_instance(pacs.place(pacs.datasets[0]), options=_options(pacs))
    dicomweb._kept_session.cache_clear()
    return {headers.get("Authorization", "") for _, headers in pacs.asked}


def test_credentials_come_from_the_environment_or_netrc(
    pacs: Pacs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def basic(pair: str) -> set[str]:
        return {f"Basic {base64.b64encode(pair.encode()).decode()}"}

    assert _authorization(pacs) == {""}
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login anna password secret0\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert _authorization(pacs) == basic("anna:secret0")
    monkeypatch.setenv("MEDTRIMIX_DICOMWEB_USER", "müller")
    monkeypatch.setenv("MEDTRIMIX_DICOMWEB_PASSWORD", "secret1")
    assert _authorization(pacs) == basic("müller:secret1")
    monkeypatch.setenv("MEDTRIMIX_DICOMWEB_TOKEN", "secret2\n")
    assert _authorization(pacs) == {"Bearer secret2"}


def test_credentials_are_in_no_error(pacs: Pacs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDTRIMIX_DICOMWEB_TOKEN", "secret\r\nX-Injected: 1")
    with pytest.raises(SourceError) as error:
        instances(Service(pacs.url))
    _assert_says_nothing(error.value, pacs)
    assert pacs.asked == []


# Retrieving


def test_an_instance_is_what_the_service_stores(pacs: Pacs) -> None:
    for ds in pacs.datasets:
        with open_instance(pacs.place(ds), options=_options(pacs)) as file:
            assert file.read() == part10(ds)
    assert pacs.connections == 1
    assert {headers["Accept"] for _, headers in pacs.asked} == {
        'multipart/related; type="application/dicom"; transfer-syntax=*'
    }


@pytest.mark.parametrize(
    "wrap",
    [
        lambda content: Answer(content, kind="application/dicom"),
        lambda content: envelope(content, preamble=b"to be ignored\r\n"),
        lambda content: envelope(content, end=b""),
        lambda content: envelope(content, end=b"--"),
        lambda content: envelope(content, end=b"\r\nContent-Type: text/plain\r\n\r\nanother part"),
    ],
)
def test_envelopes(pacs: Pacs, wrap: Callable[[bytes], Answer]) -> None:
    pacs.retrieve = lambda ds: wrap(part10(ds))
    with open_instance(pacs.place(pacs.datasets[0]), options=_options(pacs)) as file:
        assert file.read() == part10(pacs.datasets[0])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_envelopes_that_arrive_in_pieces(size: int) -> None:
    content = bytes(range(256)) * 3 + b"\r\n--almost"
    whole = envelope(content).body
    pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
    assert first_part(pieces, boundary=BOUNDARY, max_bytes=1000).read() == content


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (Answer(status=404), Verdict.missing_file),
        (Answer(status=410), Verdict.missing_file),
        (Answer(status=401), Verdict.unreadable),
        (Answer(status=500), Verdict.unreadable),
        (Answer(status=302, headers={"Location": "/CANARY"}), Verdict.unreadable),
        (HTML, Verdict.unreadable),
        (Answer(b"x", kind="multipart/related"), Verdict.unreadable),
        (Answer(b"x", kind=f"multipart/related; boundary={BOUNDARY}"), Verdict.unreadable),
        (Answer(bytes(1 << 17), kind=f"multipart/related; boundary={BOUNDARY}"), Verdict.unreadable),
        (Answer(envelope(bytes(100)).body[:-20], kind=envelope(b"").kind), Verdict.truncated),
        (Answer(b"cut off", kind="application/dicom", promised=1000), Verdict.unreadable),
    ],
)
def test_instances_that_do_not_come(pacs: Pacs, answer: Answer, verdict: Verdict) -> None:
    pacs.retrieve = lambda _: answer
    with pytest.raises(Refused) as refusal:
        open_instance(pacs.place(pacs.datasets[0]), options=_options(pacs))
    assert refusal.value.verdict == verdict
    _assert_says_nothing(refusal.value, pacs)


def test_a_connection_that_breaks_off_is_tried_again(pacs: Pacs) -> None:
    answers = iter([Answer(b"cut off", kind="application/dicom", promised=1000)])
    pacs.retrieve = lambda _: next(answers, None)
    with open_instance(pacs.place(pacs.datasets[0]), options=_options(pacs)) as file:
        assert file.read() == part10(pacs.datasets[0])


@pytest.mark.parametrize("wrap", [envelope, lambda content: Answer(content, kind="application/dicom")])
def test_too_large_an_instance_is_not_taken_in(pacs: Pacs, wrap: Callable[[bytes], Answer]) -> None:
    options = _options(pacs).model_copy(update={"memory_limit_mb": 2})
    for size, expected in ((1 << 19, None), (1 << 21, Verdict.too_large)):
        pacs.retrieve = lambda _, size=size: wrap(bytes(size))  # type: ignore[misc]
        assert _verdict(pacs, options) == expected


def _verdict(pacs: Pacs, options: DataOptions) -> Verdict | None:
    try:
        open_instance(pacs.place(pacs.datasets[0]), options=options)
    except Refused as refusal:
        return refusal.verdict
    return None


def test_the_limit_holds_for_what_arrives_without_end() -> None:
    taken = []

    def endless() -> Iterator[bytes]:
        yield envelope(b"").body.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        while True:
            taken.append(1000)
            yield bytes(1000)

    with pytest.raises(Refused) as refusal:
        first_part(endless(), boundary=BOUNDARY, max_bytes=10_000)
    assert refusal.value.verdict == Verdict.too_large
    assert sum(taken) == 11_000


def test_a_slow_service_is_a_timeout(pacs: Pacs) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = f"dicomweb+http://127.0.0.1:{server.getsockname()[1]}/rs#1/2/3"
        with pytest.raises(Refused) as refusal:
            open_instance(place, options=_options(pacs, timeout_s=0.05))
    assert refusal.value.verdict == Verdict.timeout


# The whole way


def _records(outcomes: Iterator[Outcome]) -> list[dict[str, object]]:
    records = [asdict(sample.record) for outcome in outcomes for sample in outcome.samples]
    return sorted(({**record, "spacing_mm": repr(record["spacing_mm"])} for record in records), key=_sample_id)


def _sample_id(record: dict[str, object]) -> str:
    return str(record["sample_id"])


def _folder(pacs: Pacs, root: Path) -> Path:
    for place, ds in enumerate(pacs.datasets):
        write(ds, root / f"{9 - place}.dcm")
    return root


def test_the_manifest_is_that_of_a_folder_with_the_same_files(pacs: Pacs, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("study_uid,label\n1.2.66.0,sick\n1.2.66.1,well\n")
    options = _options(pacs, labels=str(tmp_path / "labels.csv"))
    folder = options.model_copy(update={"source": str(_folder(pacs, tmp_path / "files"))})
    over_network, from_folder = (_records(ingest(each, pseudonyms=NAMES, workers=1)) for each in (options, folder))
    assert repr(over_network) == repr(from_folder)
    assert [record["label"] for record in over_network].count("sick") == 3
    assert not any(word in repr(over_network) for word in (*CANARIES, "1.2.66"))


def test_volumes_come_over_the_network_too(pacs: Pacs, tmp_path: Path) -> None:
    pacs.datasets = [
        radiograph(
            noise(seed=place),
            Modality="CT",
            SeriesInstanceUID="1.2.66.7",
            FrameOfReferenceUID="1.2.66.8",
            ImagePositionPatient=[0, 0, 2.5 * place],
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            PixelSpacing=[1, 1],
            RescaleSlope=1,
            RescaleIntercept=-1024,
        )
        for place in (3, 0, 4, 1, 2)
    ]
    options = _options(pacs, volume={"size": (8, 16, 16)})
    folder = options.model_copy(update={"source": str(_folder(pacs, tmp_path / "files"))})
    over_network, from_folder = (list(ingest(each, pseudonyms=NAMES, workers=1)) for each in (options, folder))
    (sample,) = (sample for outcome in over_network for sample in outcome.samples)
    (expected,) = (sample for outcome in from_folder for sample in outcome.samples)
    assert sample.record.slices == 5
    assert sample.record.pixel_sha256 == expected.record.pixel_sha256
    assert sample.image.array.tobytes() == expected.image.array.tobytes()


def test_every_instance_gets_a_verdict(pacs: Pacs) -> None:
    gone, broken, strange = pacs.datasets[:3]
    answers = {
        gone.SOPInstanceUID: Answer(status=404),
        broken.SOPInstanceUID: Answer(status=500),
        strange.SOPInstanceUID: envelope(b"CANARY"),
    }
    pacs.retrieve = lambda ds: answers.get(ds.SOPInstanceUID)
    outcomes = list(ingest(_options(pacs), pseudonyms=NAMES, workers=1))
    verdicts = sorted(refusal.verdict for outcome in outcomes for refusal in outcome.refusals)
    assert verdicts == [Verdict.missing_file, Verdict.not_an_image, Verdict.unreadable]
    assert sum(outcome.accepted_files for outcome in outcomes) == 3


@pytest.mark.parametrize(
    ("answer", "message"), [(Answer(status=401), "refuses the credentials"), (HTML, "no DICOMweb service")]
)
def test_a_service_that_goes_away_makes_no_verdicts(pacs: Pacs, answer: Answer, message: str) -> None:
    def expire(ds: Dataset) -> Answer | None:
        if ds is pacs.datasets[3]:
            pacs.search = lambda _: answer
        return Answer(status=401) if pacs.search("") else None

    pacs.retrieve = expire
    outcomes: list[Outcome] = []
    with pytest.raises(StepFailed, match=message) as error:
        outcomes.extend(_one_by_one(ingest(_options(pacs), pseudonyms=NAMES, workers=1), into=outcomes))
    assert not any(outcome.refusals for outcome in outcomes)
    assert "goes on" in str(error.value)
    _assert_says_nothing(error.value, pacs)


def test_a_service_that_goes_away_is_noticed_among_the_headers(pacs: Pacs) -> None:
    def expire(ds: Dataset) -> Answer | None:
        if ds is pacs.datasets[2]:
            pacs.search = lambda _: Answer(status=401)
        return pacs.search("")

    pacs.retrieve = expire
    seen: list[int] = []
    options = _options(pacs, volume={"size": (8, 16, 16)})
    with pytest.raises(StepFailed, match="refuses the credentials"):
        list(ingest(options, pseudonyms=NAMES, workers=1, headers_read=lambda done, _: seen.append(done)))
    assert seen == [1, 2]


def _one_by_one(outcomes: Iterator[Outcome], *, into: list[Outcome]) -> list[Outcome]:
    for outcome in outcomes:
        into.append(outcome)  # noqa: PERF402 - kept although the iterator raises
    return []


def test_digests_go_by_uids_and_labels_and_read_no_pixels(pacs: Pacs, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("patient_id,label\nMRN0000,sick\n")
    options = _options(pacs, labels=str(tmp_path / "labels.csv"))

    def both() -> tuple[str, str]:
        return content_digest(options, pseudonyms=NAMES), stat_fingerprint(options, pseudonyms=NAMES)

    seen = [both()]
    assert len(set(seen[0])) == 2
    assert not any(path.count("/") == 7 for path, _ in pacs.asked), "no instance was retrieved"
    pacs.datasets.reverse()
    with serving(Pacs(pacs.datasets)) as elsewhere:
        moved = options.model_copy(update={"source": elsewhere.source})
        assert content_digest(moved, pseudonyms=NAMES) == seen[0][0], "neither order nor address matter"
    pacs.datasets.pop()
    seen.append(both())
    (tmp_path / "labels.csv").write_text("patient_id,label\nMRN0000,well!\n")
    seen.append(both())
    assert len(set(seen)) == len({content for content, _ in seen}) == 3
    assert content_digest(options, pseudonyms=Pseudonyms(b"\x02" * 32)) != seen[-1][0]


def _logged(action: Callable[[], object]) -> str:
    """What `logging.basicConfig(level=DEBUG)` would write."""
    written, root = StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(written), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        action()
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    return written.getvalue()


def _ingest_badly(pacs: Pacs) -> None:
    """All that makes libraries speak: pages, warnings, retries, refusals and errors."""
    busy = iter([Answer(status=503)])
    pacs.search = lambda _: next(busy, None)
    pacs.retrieve = lambda ds: Answer(status=500) if ds is pacs.datasets[0] else None
    list(ingest(_options(pacs), pseudonyms=NAMES, workers=1))
    pacs.search = lambda _: HTML
    for service in (Service(pacs.url), Service(pacs.url.replace("http:", "https:"))):
        with pytest.raises(SourceError):
            instances(service)


def test_nothing_identifying_is_logged(pacs: Pacs) -> None:
    logged = _logged(lambda: _ingest_badly(pacs))
    assert not any(word in logged for word in (*CANARIES, "1.2.66", "127.0.0.1", "dicom-web")), logged


def test_nothing_is_logged_by_libraries_that_are_imported_on_the_way(pacs: Pacs) -> None:
    """In a new process, where their loggers do not exist yet."""
    busy = iter([Answer(status=503)])
    pacs.search = lambda _: next(busy, None)
    script = (
        "import logging, sys\n"
        "from medtrimix.ingest.pacs import dicomweb, service\n"
        "assert 'urllib3' not in sys.modules\n"
        "logging.basicConfig(level='DEBUG')\n"
        f"assert len(dicomweb.instances(service.Service({pacs.url!r}))) == 6\n"
        "logging.getLogger('urllib3.connectionpool').info('given back')\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert ended.returncode == 0
    assert ended.stderr.endswith("INFO:urllib3.connectionpool:given back\n")
    assert not any(word in ended.stderr for word in (*CANARIES, "1.2.66", "127.0.0.1", "dicom-web")), ended.stderr


def test_the_log_test_can_fail(pacs: Pacs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicomweb, "silent", contextlib.nullcontext)
    logged = _logged(lambda: _ingest_badly(pacs))
    assert all(word in logged for word in ("CANARY", "1.2.66", "127.0.0.1"))


def test_loggers_are_given_back() -> None:
    with connection.silent():
        assert logging.getLogger("urllib3").disabled
    assert not logging.getLogger("urllib3").disabled


def test_check_finds_wrong_addresses_and_asks_nobody(pacs: Pacs, tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(STUDY.format(pacs.source))
    assert load_study(file).data.source == pacs.source
    assert pacs.asked == []
    file.write_text(STUDY.format("dicomweb+https://user:secret@pacs.hospital/rs"))
    with pytest.raises(ConfigError, match=r"study.yaml:3: data.source: the address holds credentials") as error:
        load_study(file)
    _assert_says_nothing(error.value)


def test_the_published_configuration_does_not_say_which_service(pacs: Pacs, tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(STUDY.format(f"{pacs.source}?Modality=CR"))
    text = masked_config(load_study(file))
    assert "source: DICOMweb service" in text
    assert "127.0.0.1" not in text


def test_a_plan_hands_the_address_to_its_step(pacs: Pacs, tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(STUDY.format(f"{pacs.source}?Modality=CR"))
    study = load_study(file)
    plan = make_plan(study, machine=resolve(study.compute), workspace=tmp_path / "workspace")
    (task,) = plan.of_step("ingest")
    assert parse_service(str(task.inputs["source"])) == Service(pacs.url, modality="CR")
    assert "127.0.0.1" not in task.config.model_dump_json()
