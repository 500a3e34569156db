"""A blob as the body of a response."""

from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from fastapi.responses import FileResponse
from starlette.types import Receive, Scope, Send


class BlobResponse(FileResponse):
    """Sends a blob's local file, which is there until the last byte went out or the reader left."""

    def __init__(self, blob: AbstractContextManager[Path], **options: Any) -> None:
        with ExitStack() as stack:
            super().__init__(stack.enter_context(blob), **options)
            self._held = stack.pop_all()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._held:
            await super().__call__(scope, receive, send)
