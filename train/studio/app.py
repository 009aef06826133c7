"""Makes the studio's web application: Gradio's page, and the sounds of each session, from memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.resources import files

import gradio as gr
from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.middleware.base import BaseHTTPMiddleware

from train.codec.api import Codec
from train.studio.page import Page
from train.studio.session import Sessions

MOST_BYTES = 20 * 1024 * 1024
"""Largest file that is taken."""

CLOSED = (
    "/gradio_api/file",
    "/gradio_api/proxy",
    "/gradio_api/stream",
    "/gradio_api/vibe",
    "/gradio_api/undo",
)
"""Gradio's routes that serve files or do more than this page needs."""

FONTS = ("system-ui", "sans-serif")


def studio_app(codec: Codec, checkpoint: str | None) -> FastAPI:
    """Makes the web application.

    `checkpoint` is the path of the weights for the command lines that are shown; None are the released ones.
    """
    sessions = Sessions()
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    async def guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        if request.url.path.startswith(CLOSED):
            return Response("not served", status_code=404)
        if request.method == "POST" and not 0 <= int(request.headers.get("content-length", -1)) <= MOST_BYTES:
            # Before anything of it is written.
            return Response(f"larger than {MOST_BYTES >> 20} MB", status_code=413)
        response = await call_next(request)
        response.headers["Content-Security-Policy"] = (
            "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; frame-ancestors 'none'"
        )
        return response

    def sound(key: str, name: str) -> Response:
        session = sessions.find(key)
        made = session.file(codec, name) if session is not None else None
        if made is None:
            return Response("no such sound", status_code=404)
        return Response(made[0], media_type=made[1], headers={"Cache-Control": "no-store"})

    app.add_middleware(BaseHTTPMiddleware, dispatch=guard)
    app.add_api_route("/sound/{key}/{name}", sound, response_model=None)
    page = Page(codec, sessions, checkpoint)
    assets = files("train.studio") / "assets"
    script = (assets / "studio.js").read_text(encoding="utf-8")
    gr.mount_gradio_app(
        app,
        page.blocks,
        path="/",
        footer_links=[],
        max_file_size=MOST_BYTES,
        show_error=False,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        theme=gr.themes.Base(font=FONTS, font_mono=("ui-monospace", "monospace")),
        css=(assets / "studio.css").read_text(encoding="utf-8"),
        head=f"<script>{script}</script>",
    )
    return app
