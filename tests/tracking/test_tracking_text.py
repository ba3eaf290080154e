"""Names and values fit into MLflow, and different ones stay different."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medtrimix.tracking.pages import NothingHandedOn
from medtrimix.tracking.text import clean_name, short_tag, short_value
from medtrimix.tracking.ui import links, server_command


@given(st.text(max_size=2000))
def test_values_are_cut_to_what_servers_take(text: str) -> None:
    assert len(short_value(text)) <= 500
    assert short_value(text) == text or len(text) > 500


def test_long_values_that_differ_at_the_end_stay_different() -> None:
    assert short_value("a" * 600 + "b") != short_value("a" * 600 + "c")


@given(st.text(max_size=50))
def test_names_hold_only_what_mlflow_takes(text: str) -> None:
    assert all(character.isascii() and (character.isalnum() or character in "_-. :/") for character in clean_name(text))


@pytest.mark.parametrize("text", ["line\n" * 3000, "x" * 9000])
def test_notes_are_cut_between_lines(text: str) -> None:
    cut = short_tag(text)
    assert len(cut) <= 5000
    assert cut.endswith("\n…")
    assert text.startswith(cut.removesuffix("\n…"))


def test_the_server_listens_on_this_machine_only() -> None:
    command = server_command("sqlite:///x.db", port=5001)
    assert command[command.index("--host") + 1] == "127.0.0.1"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/ajax-api/3.0/mlflow/assistant/message", 404),
        ("/ajax-api/3.0/mlflow/gateway/secrets/config", 404),
        ("/api/2.0/mlflow/gateway-proxy", 404),
        ("/gateway/somewhere/mlflow/invocations", 404),
        ("/", 200),
        ("/ajax-api/2.0/mlflow/runs/get", 200),
        ("/ajax-api/2.0/mlflow-artifacts/artifacts/gateway/report.html", 200),
    ],
)
def test_pages_hand_nothing_on_to_language_models(path: str, status: int) -> None:
    sent: list[dict[str, object]] = []

    async def behind(scope: object, receive: object, send: Callable[[dict[str, object]], Awaitable[None]]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    asyncio.run(NothingHandedOn(behind)({"type": "http", "path": path}, None, send))
    assert sent[0]["status"] == status


def test_links_open_in_the_training_mode() -> None:
    found = links("http://127.0.0.1:5000/", experiment_id="3", run_id="f" * 32)
    assert found.study == f"http://127.0.0.1:5000/#/experiments/3/runs/{'f' * 32}?workflowType=machine_learning"
    assert "viewStateShareKey=cells-ffffffffffff" in found.cells
