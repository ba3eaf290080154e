"""The report and the study's page in MLflow, opened in Chromium without a network."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from medtrimix.report.headline import headline
from medtrimix.report.publish import publish
from medtrimix.report.study import Study
from medtrimix.report.write import ReportFiles
from medtrimix.tracking.connection import quiet_environment, sqlite_uri
from medtrimix.tracking.store import Tracker
from medtrimix.tracking.ui import links, server_command

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_PATIENCE_MS = 120_000  # on a machine with much else to do
_NOWHERE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The machine's own Chromium; Playwright's download of one is not needed."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra: dev)")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("there is no Chromium here: apt-get install chromium")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=program, args=[_NOWHERE])
        yield opened
        opened.close()


class Watched:
    """A page, what it asked for, and what it complained about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.asked: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))


def open_report(browser: Browser, file: Path, *, width: int = 1280, dark: bool = False) -> Watched:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light")
    page.set_default_timeout(_PATIENCE_MS)
    watched = Watched(page)
    page.goto(file.resolve().as_uri())
    return watched


def test_the_report_asks_for_itself_only_and_shows_its_answer(
    browser: Browser, files: ReportFiles, study: Study
) -> None:
    watched = open_report(browser, files.html)
    assert [url for url in watched.asked if not url.startswith("data:")] == [files.html.resolve().as_uri()]
    assert watched.complaints == []
    answer = watched.page.locator("#answer .lead")
    assert answer.inner_text() == headline(study).answer
    box = answer.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 900  # seen without scrolling
    watched.page.close()


@pytest.mark.parametrize("addition", ['<img src="http://evil.example/x.png">', "<script>alert(1)</script>"])
def test_the_watch_sees_a_page_that_asks_or_complains(
    browser: Browser, files: ReportFiles, tmp_path: Path, addition: str
) -> None:
    """Companion; the page's own policy refuses both."""
    hostile = tmp_path / "hostile.html"
    hostile.write_text(files.html.read_text().replace("</main>", f"{addition}</main>"))
    watched = open_report(browser, hostile)
    assert any("Content Security Policy" in complaint for complaint in watched.complaints)
    watched.page.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_every_figure_has_its_size_and_nothing_sticks_out(browser: Browser, files: ReportFiles, width: int) -> None:
    watched = open_report(browser, files.html, width=width)
    sizes = watched.page.evaluate(
        "[...document.images].map(i => [i.alt, i.naturalWidth, i.clientWidth, i.clientHeight])"
    )
    assert len(sizes) == 11
    for alt, natural, shown, height in sizes:
        assert natural > 300, alt
        assert shown > 300, alt
        assert height > 100, alt
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= width
    watched.page.close()


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_background(browser: Browser, files: ReportFiles, dark: bool) -> None:
    """WCAG 2.2's 4.5 to 1, for everything that has text of its own."""
    watched = open_report(browser, files.html, dark=dark)
    ratios = watched.page.evaluate(_CONTRASTS)
    assert len(ratios) > 100
    assert {text: ratio for text, ratio in ratios if ratio < 4.5} == {}
    assert (watched.page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)") == dark
    watched.page.close()


def test_it_prints_on_a_few_pages(browser: Browser, files: ReportFiles) -> None:
    watched = open_report(browser, files.html)
    pdf = watched.page.pdf(format="A4", prefer_css_page_size=True)
    assert 5 <= pdf.count(b"/Type /Page\n") <= 14
    watched.page.close()


@pytest.mark.slow
def test_mlflow_shows_the_answer(browser: Browser, files: ReportFiles, study: Study, tmp_path: Path) -> None:
    uri = sqlite_uri(tmp_path)
    tracker = Tracker.open(uri, experiment="x", artifact_root=tmp_path / "artifacts")
    parent = tracker.start_parent(name=study.name, digest=study.digest, params={})
    publish(study, files=files, tracker=tracker, parent_id=parent)
    tracker.finish(parent, "FINISHED")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = server_command(uri, port=port, artifact_root=tmp_path / "artifacts")
    server = subprocess.Popen(
        command, env={**os.environ, **quiet_environment()}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(port, server=server)
        base = f"http://127.0.0.1:{port}"
        pages = links(base, experiment_id=tracker.experiment_id, run_id=parent)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(_PATIENCE_MS)
        page.goto(pages.study)
        page.get_by_text("With 10 labelled images of 8 to 9 patients (1% of the training labels)").first.wait_for()
        page.goto(pages.curves)
        page.get_by_text("auc/linear").first.wait_for()
        page.close()
        with pytest.raises(HTTPError, match="404"):  # nobody can hand a run on to a language model from here
            urlopen(f"{base}/ajax-api/3.0/mlflow/assistant/config")
    finally:
        server.terminate()
        server.wait(timeout=60)


def _wait_for(port: int, *, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        assert server.poll() is None, "the server ended"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise AssertionError("the server did not start")


_CONTRASTS = """() => {
  const parse = text => text.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * x + .7152 * y + .0722 * z;
  };
  const background = node => {
    for (; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const own = node => [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim());
  return [...document.body.querySelectorAll('*')].filter(own).map(node => {
    const pair = [light(parse(getComputedStyle(node).color)), light(background(node))].sort((a, b) => b - a);
    return [node.textContent.trim().slice(0, 40), (pair[0] + .05) / (pair[1] + .05)];
  });
}"""
