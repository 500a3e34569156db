"""A multipart upload, streamed to disk: no file is ever whole in memory, and nothing stays of a cut one."""

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from anyio import to_thread
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from moat.blobs import Blobs, Staged
from moat.errors import InvalidRequest, MalformedRequest, MoatError, TooLarge
from moat.settings import UploadSettings

HEAD_BYTES = 8_192
FIELD_BYTES = 100_000
ALL_FIELDS_BYTES = 2_000_000
FIELD_COSTS_BYTES = 100
_HINT = "Send multipart/form-data with the files in the field 'files'."


@dataclass(slots=True)
class Arrived:
    """One file of an upload: staged, or refused with its problem."""

    filename: str
    staged: Staged
    head: bytes = b""
    problem: MoatError | None = None


@dataclass(slots=True)
class Upload:
    """What one multipart call brought."""

    files: list[Arrived] = field(default_factory=list)
    fields: dict[str, list[str]] = field(default_factory=dict)


@asynccontextmanager
async def received(request: Request, blobs: Blobs, limits: UploadSettings) -> AsyncIterator[Upload]:
    """Read the whole body; leaving the block removes every staged file that was not sealed."""
    media_type, options = parse_options_header(request.headers.get("content-type"))
    if media_type != b"multipart/form-data" or not options.get(b"boundary"):
        raise InvalidRequest("The body is not multipart/form-data.", _HINT)
    with ExitStack() as stack:
        reading = _Reading(blobs, limits, stack)
        parser = MultipartParser(options[b"boundary"], reading.callbacks())
        try:
            async for piece in request.stream():
                await to_thread.run_sync(parser.write, piece)
        except MultipartParseError as error:
            raise MalformedRequest(f"The multipart body is broken: {error}", _HINT) from error
        except ClientDisconnect as error:
            raise MalformedRequest("The upload was cut off; nothing of it was kept.", "Send it again.") from error
        if not reading.ended:
            raise MalformedRequest("The upload ended early; nothing of it was kept.", "Send it again.")
        if not reading.upload.files:
            raise InvalidRequest("No file came with this call.", _HINT)
        yield reading.upload


class _Reading:
    """The parser's callbacks: one part at a time, each to its file or field."""

    def __init__(self, blobs: Blobs, limits: UploadSettings, stack: ExitStack) -> None:
        self.upload = Upload()
        self.ended = False
        self._blobs = blobs
        self._limits = limits
        self._stack = stack
        self._header_name = b""
        self._header_value = b""
        self._headers: dict[bytes, bytes] = {}
        self._file: Arrived | None = None
        self._field: tuple[str, bytearray] | None = None
        self._fields_bytes = 0

    def callbacks(self) -> Any:
        names: tuple[tuple[str, Callable[..., None]], ...] = (
            ("on_part_begin", self._part_begin),
            ("on_header_field", self._header_field),
            ("on_header_value", self._header_text),
            ("on_header_end", self._header_end),
            ("on_headers_finished", self._headers_finished),
            ("on_part_data", self._part_data),
            ("on_part_end", self._part_end),
            ("on_end", self._end),
        )
        return dict(names)

    def _part_begin(self) -> None:
        self._headers = {}
        self._file = None
        self._field = None

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header_text(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name = self._header_value = b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        filename = options.get(b"filename")
        if filename is None:
            self._field = (name, bytearray())
            self._fields_bytes += len(name) + FIELD_COSTS_BYTES  # an empty field takes memory too
            return
        if name != "files":
            raise InvalidRequest(f"A file came in the field {name[:50]!r}.", _HINT)
        if len(self.upload.files) >= self._limits.max_files:
            raise TooLarge(f"More than {self._limits.max_files} files came in one call.", "Send them in several calls.")
        staged = self._stack.enter_context(self._blobs.stage())
        self._file = Arrived(_clean_name(filename.decode("utf-8", "replace")), staged)
        self.upload.files.append(self._file)

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._store(self._file, data[start:end])
        elif self._field is not None:
            self._field[1].extend(data[start:end])
            self._fields_bytes += end - start
            if len(self._field[1]) > FIELD_BYTES:
                raise TooLarge(f"The field {self._field[0][:50]!r} is over {FIELD_BYTES} bytes.", "Send a shorter one.")
            if self._fields_bytes > ALL_FIELDS_BYTES:
                raise TooLarge(f"The fields are over {ALL_FIELDS_BYTES:,} bytes.", "Send fewer or shorter ones.")

    def _store(self, file: Arrived, data: bytes) -> None:
        if file.problem is not None:
            return
        if file.staged.size + len(data) > self._limits.max_file_bytes:
            # The rest is read past, so that the other files of the call still arrive.
            file.problem = TooLarge(
                f"{file.filename!r} is over the limit of {self._limits.max_file_bytes:,} bytes.",
                "Split the file, or have an admin raise MOAT_UPLOAD__MAX_FILE_BYTES.",
            )
            file.staged.discard()
            return
        if len(file.head) < HEAD_BYTES:
            file.head += data[: HEAD_BYTES - len(file.head)]
        file.staged.write(data)

    def _part_end(self) -> None:
        if self._file is not None and self._file.problem is None:
            self._file.staged.finish()
        elif self._field is not None:
            name, value = self._field
            self.upload.fields.setdefault(name, []).append(value.decode("utf-8", "replace"))

    def _end(self) -> None:
        self.ended = True


def _clean_name(name: str) -> str:
    """Keep a file's own name or relative path, without control characters and without leaving its folder."""
    parts = [
        p for p in "".join(c for c in name if c.isprintable()).replace("\\", "/").split("/") if p not in ("", ".", "..")
    ]
    return "/".join(parts)[:500] or "unnamed"
