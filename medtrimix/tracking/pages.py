"""MLflow's pages without the parts that hand runs on to language models.

MLflow 3 has an assistant, which passes what it is asked about to a program or service, and a gateway to such services.
Nothing that medtrimix records is for them: here their addresses are not found, whatever somebody sets up.
"""

from __future__ import annotations

import re
from typing import Any

APP = "medtrimix"
"""Name of the entry point in pyproject.toml by which MLflow finds `app`."""
_HANDED_ON = re.compile(r"/gateway/|/(ajax-)?api/\d\.\d/mlflow/(gateway|assistant)")
"""How such addresses begin."""


def app() -> Any:
    """What `mlflow server --app-name medtrimix` serves."""
    from mlflow.server.fastapi_app import create_fastapi_app

    return NothingHandedOn(create_fastapi_app())


class NothingHandedOn:
    """An ASGI application in front of another: 404 for what hands runs on."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One connection, as the ASGI specification (3.0) has it."""
        if scope["type"] == "http" and _HANDED_ON.match(scope["path"]):
            content = b'{"detail": "medtrimix serves MLflow without its assistant and its gateway."}'
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
            await send({"type": "http.response.start", "status": 404, "headers": headers})
            await send({"type": "http.response.body", "body": content})
            return
        await self._application(scope, receive, send)
