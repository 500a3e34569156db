"""Routes of documents."""

import json
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter, ValidationError

from moat.access import check_principals, find_corpus
from moat.backlog import check_backlog
from moat.errors import InvalidRequest, MoatError
from moat.jobs import BULK, INGEST
from moat.records import DocumentState, Reader
from moat.tables import Corpus
from services.dependencies import PartsOf, Reading, Uploading, publish_soon
from services.parts import Parts
from services.problems import of_error
from services.upload.accept import Accepted, Terms, accept
from services.upload.plan import plan
from services.upload.receive import Arrived, Upload, received
from services.upload.schemas import (
    DocumentPage,
    Problem,
    UploadItem,
    UploadPlan,
    UploadResult,
)
from services.upload.views import document_page

router = APIRouter(prefix="/v1", tags=["documents"])

_STRINGS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        "key": {
                            "type": "array",
                            "items": {"type": "string"},
                            "description": "By position; the file's name otherwise.",
                        },
                        "access": {
                            "type": "array",
                            "items": {"type": "string"},
                            "description": "Groups that may read; the corpus's otherwise.",
                        },
                        "metadata": {"type": "string", "description": "A JSON object kept with each document."},
                        "priority": {
                            "type": "string",
                            "enum": ["normal", "bulk"],
                            "description": "Bulk waits behind the rest; by the number of files otherwise.",
                        },
                        "dry_run": {
                            "type": "string",
                            "enum": ["true", "false"],
                            "description": "Say what the files would take, and keep none of them.",
                        },
                    },
                }
            }
        },
    }
}
_FIELDS = {"key", "access", "metadata", "priority", "dry_run"}
_METADATA = TypeAdapter(dict[str, Any])
_METADATA_HINT = 'Send an object such as {"department": "finance"}.'


@router.post(
    "/corpora/{corpus}/documents",
    status_code=202,
    response_model=UploadResult,
    responses={200: {"model": UploadPlan}},
    openapi_extra=_FORM,
)
async def upload(corpus: str, request: Request, reader: Uploading, parts: PartsOf) -> Response:
    """Upload files; what is accepted is durable when this answers, and is indexed by a worker."""
    into = await to_thread.run_sync(_corpus, corpus, reader, parts)
    async with received(request, parts.blobs, parts.settings.upload) as arrived:
        if _is_dry_run(arrived):
            _terms(arrived, parts.settings.upload.bulk_from)  # refuses what the upload would be refused for
            planned = await to_thread.run_sync(plan, arrived, into, reader, parts)
            return JSONResponse(planned.model_dump(mode="json"))
        items = await to_thread.run_sync(_accept_all, arrived, into, reader, parts)
    if any(item.id for item in items):
        await to_thread.run_sync(publish_soon, parts)
    return _answer(items)


def _is_dry_run(upload: Upload) -> bool:
    stated = upload.fields.get("dry_run", ["false"])[-1]
    if stated not in ("true", "false"):
        raise InvalidRequest(f"dry_run is {stated[:50]!r}.", "Send true or false, or leave it out.")
    return stated == "true"


def _corpus(name: str, reader: Reader, parts: Parts) -> Corpus:
    with parts.database.reading() as session:
        corpus = find_corpus(session, reader, name)
        check_backlog(session, parts.settings.upload.max_backlog)  # before the body is read
        return corpus


def _accept_all(upload: Upload, corpus: Corpus, reader: Reader, parts: Parts) -> list[UploadItem]:
    terms = _terms(upload, parts.settings.upload.bulk_from)
    return [_accept_one(f, t, corpus, reader, parts) for f, t in zip(upload.files, terms, strict=True)]


def _accept_one(arrived: Arrived, terms: Terms, corpus: Corpus, reader: Reader, parts: Parts) -> UploadItem:
    try:
        if arrived.problem is not None:
            raise arrived.problem
        accepted: Accepted = accept(arrived, terms, corpus, reader, parts.database, parts.blobs)
    except MoatError as error:
        return UploadItem(filename=arrived.filename, problem=Problem(**of_error(error)))
    return UploadItem(filename=arrived.filename, id=accepted.id, state=accepted.state, duplicate=accepted.duplicate)


def _terms(upload: Upload, bulk_from: int) -> list[Terms]:
    unknown = sorted(set(upload.fields) - _FIELDS)
    if unknown:
        raise InvalidRequest(
            f"There is no field {unknown[0][:50]!r} in an upload.",
            "Fields are files, key, access, metadata, priority, dry_run.",
        )
    keys = upload.fields.get("key", [])
    if len(keys) > len(upload.files) or any(not _is_key(key) for key in keys):
        raise InvalidRequest(
            f"{len(keys)} keys came with {len(upload.files)} files, or one is not 1 to 1,000 printable characters.",
            "Send one key a file, in the files' order, or none.",
        )
    access = check_principals(upload.fields["access"]) if "access" in upload.fields else None
    metadata = _metadata(upload.fields.get("metadata"))
    named = keys + [f.filename for f in upload.files[len(keys) :]]
    queue = _queue(upload, bulk_from)
    return [Terms(key, access, metadata, queue) for key in named]


def _queue(upload: Upload, bulk_from: int) -> str:
    stated = upload.fields.get("priority", [""])[-1]
    if stated not in ("", "normal", "bulk"):
        raise InvalidRequest(f"There is no priority {stated[:50]!r}.", "Send normal or bulk, or leave it out.")
    return BULK if stated == "bulk" or (not stated and len(upload.files) > bulk_from) else INGEST


def _is_key(key: str) -> bool:
    return 0 < len(key) <= 1000 and key.isprintable()


def _metadata(values: list[str] | None) -> dict[str, Any] | None:
    """Read the metadata, refusing whatever could not be written as JSON again with the document."""
    if values is None:
        return None
    try:
        metadata = _METADATA.validate_python(json.loads(values[-1], parse_constant=_not_a_number))
        _METADATA.dump_json(metadata)
    except ValidationError as error:
        raise InvalidRequest("metadata is not a JSON object.", _METADATA_HINT) from error
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"metadata is not JSON: {str(error)[:200]}", _METADATA_HINT) from error
    return metadata


def _not_a_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _answer(items: list[UploadItem]) -> Response:
    problems = [item.problem for item in items if item.problem is not None]
    if len(problems) < len(items):
        return JSONResponse(UploadResult(items=items).model_dump(mode="json"), 202)
    first = problems[0]
    body = first.model_dump() | {"items": UploadResult(items=items).model_dump(mode="json")["items"]}
    return JSONResponse(body, first.status, media_type="application/problem+json")


@router.get("/corpora/{corpus}/documents")
def list_documents(
    corpus: str,
    reader: Reading,
    parts: PartsOf,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: str | None = None,
    state: DocumentState | None = None,
    key: str | None = None,
) -> DocumentPage:
    """List the readable documents of a corpus, newest first, with counts by state."""
    with parts.database.reading() as session:
        return document_page(session, reader, find_corpus(session, reader, corpus), limit, cursor, state, key)
