"""The route that grades an answer with a language model."""

from anyio import to_thread
from fastapi import APIRouter
from fastapi.responses import JSONResponse

from answering.body import cost_body
from answering.judge import judge
from moat.access import find_corpus, readable_corpora
from moat.records import Reader
from services.dependencies import Admin, PartsOf
from services.parts import Parts
from services.query.schemas import JudgementBody, JudgementShape

router = APIRouter(prefix="/v1", tags=["questions"])


@router.post("/judgements", response_model=JudgementShape)
async def judge_answer(body: JudgementBody, reader: Admin, parts: PartsOf) -> JSONResponse:
    """Have a model say whether an answer is right; it costs what a call to that model costs."""
    corpora = await to_thread.run_sync(_corpora, body, reader, parts)
    made = await judge(body.question, body.expected, body.answer, body.model, corpora, reader, parts.answering)
    return JSONResponse({"verdict": made.verdict, "model": made.model, "cost": cost_body(made.cost)})


def _corpora(body: JudgementBody, reader: Reader, parts: Parts) -> tuple[str, ...]:
    with parts.database.reading() as session:
        if body.corpora is None:
            return tuple(corpus.name for corpus in readable_corpora(session, reader))
        return tuple(find_corpus(session, reader, name).name for name in body.corpora)
