"""Moto's S3 server on localhost. It can fail uploads as a store under load does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

Fault = Callable[[str], str | None]
"""The HTTP status that a PUT of this path is answered with, or None where it goes through."""

ERROR = b"<?xml version='1.0'?><Error><Code>%s</Code><Message>told to</Message></Error>"


class _Quiet(WSGIRequestHandler):
    def log_request(self, *arguments: Any) -> None:
        pass


class S3Server:
    """An S3 server. `start` starts it; `fault` may be set at any time."""

    def __init__(self) -> None:
        self.fault: Fault = lambda path: None
        self.spoilt: list[str] = []
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server: BaseWSGIServer = make_server(
            "127.0.0.1", 0, self._answer, threaded=True, request_handler=_Quiet
        )
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        status = self.fault(path) if environ["REQUEST_METHOD"] == "PUT" else None
        if status is None:
            return self._moto(environ, start_response)  # type: ignore[no-any-return]
        self.spoilt.append(path)
        # Half of the body is read before the answer.
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0) // 2)
        code = b"AccessDenied" if status.startswith("403") else b"SlowDown"
        start_response(status, [("Content-Type", "application/xml"), ("Connection", "close")])
        return [ERROR % code]
