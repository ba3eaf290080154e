"""A DICOMweb service in a thread: a few instances over QIDO-RS and WADO-RS, and every way to misbehave."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from urllib.parse import parse_qs, urlsplit

from pydicom.dataset import Dataset

ROOT = "/dicom-web"
BOUNDARY = "CANARY-boundary"


@dataclass
class Answer:
    body: bytes = b""
    status: int = 200
    kind: str = "application/dicom+json"
    headers: dict[str, str] = field(default_factory=dict)
    promised: int | None = None  # Content-Length, if it is not the length of the body


@dataclass
class Pacs:
    """What the service has and how it behaves; `asked` are the requests so far."""

    datasets: list[Dataset] = field(default_factory=list)
    most_results: int = 1000
    ignores_offset: bool = False
    ignores_filters: bool = False
    says_counts: bool = False
    miscounts_by: int = 0
    search: Callable[[str], Answer | None] = lambda _: None
    retrieve: Callable[[Dataset], Answer | None] = lambda _: None
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    connections: int = 0
    url: str = ""

    @property
    def source(self) -> str:
        return f"dicomweb+{self.url}"

    def place(self, ds: Dataset) -> str:
        return f"{self.source}#{ds.StudyInstanceUID}/{ds.SeriesInstanceUID}/{ds.SOPInstanceUID}"

    def answer(self, path: str, query: dict[str, str], headers: dict[str, str]) -> Answer:
        self.asked.append((path, headers))
        parts = path.removeprefix(ROOT).strip("/").split("/")
        uids = dict(zip(parts[::2], parts[1::2], strict=False))
        matching = [ds for ds in self.datasets if _matches(ds, uids)]
        if len(parts) == 6:
            return (self.retrieve(matching[0]) or envelope(part10(matching[0]))) if matching else Answer(status=404)
        return self.search(path) or self._results(parts[-1], matching, query)

    def _results(self, level: str, datasets: list[Dataset], query: dict[str, str]) -> Answer:
        if not self.ignores_filters:
            datasets = [ds for ds in datasets if query.get("Modality", ds.Modality) == ds.Modality]
            datasets = [ds for ds in datasets if _within(ds.StudyDate, query.get("StudyDate", ""))]
        keyword = {"studies": "StudyInstanceUID", "series": "SeriesInstanceUID", "instances": "SOPInstanceUID"}[level]
        results = list({ds[keyword].value: self._result(ds) for ds in datasets}.values())
        offset = 0 if self.ignores_offset else int(query.get("offset", 0))
        return Answer(
            json.dumps(results[offset:][: min(self.most_results, int(query.get("limit", 1000)))]).encode(),
            headers={"Warning": "299 CANARY: there are more"},
        )

    def _result(self, ds: Dataset) -> dict[str, object]:
        names = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "Modality", "StudyDate")
        elements = {f"{ds[name].tag:08X}": {"vr": ds[name].VR, "Value": [ds[name].value]} for name in names}
        elements["00100010"] = {"vr": "PN", "Value": [{"Alphabetic": "CANARY^NAME"}]}
        if self.says_counts:
            series = {
                other.SeriesInstanceUID for other in self.datasets if other.StudyInstanceUID == ds.StudyInstanceUID
            }
            instances = [other for other in self.datasets if other.SeriesInstanceUID == ds.SeriesInstanceUID]
            for tag, count in (("00201206", len(series)), ("00201209", len(instances))):
                elements[tag] = {"vr": "IS", "Value": [count + self.miscounts_by]}
        return elements


def envelope(content: bytes, *, preamble: bytes = b"", end: bytes = b"--\r\n") -> Answer:
    head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    return Answer(
        preamble + head + content + f"\r\n--{BOUNDARY}".encode() + end,
        kind=f'multipart/related; type="application/dicom"; boundary={BOUNDARY}',
    )


def part10(ds: Dataset) -> bytes:
    file = BytesIO()
    ds.save_as(file, enforce_file_format=True)
    return file.getvalue()


@contextmanager
def serving(pacs: Pacs) -> Iterator[Pacs]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # header and body in one packet: else each request waits 40 ms for an acknowledgement

        def setup(self) -> None:
            super().setup()
            pacs.connections += 1

        def handle(self) -> None:
            with suppress(ConnectionError):  # who is gone asks nothing more
                super().handle()

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(address.query).items()}
            answer = pacs.answer(address.path, query, dict(self.headers))
            self.send_response(answer.status)
            for name, value in {"Content-Type": answer.kind, **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body) if answer.promised is None else answer.promised))
            self.end_headers()
            with suppress(ConnectionError):  # who has had enough hangs up
                self.wfile.write(answer.body)
            self.close_connection = answer.promised is not None

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        pacs.url = f"http://127.0.0.1:{server.server_port}{ROOT}"
        try:
            yield pacs
        finally:
            server.shutdown()
            thread.join()


def _matches(ds: Dataset, uids: dict[str, str]) -> bool:
    keywords = {"studies": "StudyInstanceUID", "series": "SeriesInstanceUID", "instances": "SOPInstanceUID"}
    return all(ds[keywords[level]].value == uid for level, uid in uids.items())


def _within(day: str, days: str) -> bool:
    first, has_end, last = days.partition("-")
    return not days or first <= day <= (last or "9" if has_end else first)
