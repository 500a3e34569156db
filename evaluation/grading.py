"""From what an arm said to how it did: verdict, quotes, abstention, tokens and dollars of one answer."""

from evaluation.judging import judge
from evaluation.metrics import SENTENCE_SHARE, sentence_share, sentence_together
from evaluation.records import AnswerOutcome, GivenAnswer, Question, Quote


def grade(question: Question, given: GivenAnswer, latency_ms: float) -> AnswerOutcome:
    """Grade one answer against its question; the latency counts where the answer does not bring its own."""
    texts = [quote.text for quote in given.quotes]
    cited = question.relevant if question.relevant and not given.abstained else None
    sentence = question.sentence if not given.abstained else None
    looked = [quote.verbatim for quote in given.quotes if quote.verbatim is not None]
    return AnswerOutcome(
        abstained=given.abstained,
        cites_relevant=None if cited is None else any(quote.key in cited for quote in given.quotes),
        cost_usd=given.cost_usd,
        latency_ms=latency_ms if given.latency_ms is None else given.latency_ms,
        verdict=judge(question, given.text, texts, abstained=given.abstained),
        score=given.score,
        input_tokens=given.input_tokens,
        output_tokens=given.output_tokens,
        saved_usd=given.saved_usd,
        quotes=len(texts),
        quotes_in_file=None if cited is None else sum(quote.key in cited for quote in given.quotes),
        quotes_on_sentence=None if sentence is None else sum(_touches(quote, sentence) for quote in given.quotes),
        quotes_verbatim=sum(looked) if len(looked) == len(given.quotes) else None,
        holds_sentence=None if sentence is None else bool(texts) and sentence_together(sentence, texts),
    )


def _touches(quote: Quote, sentence: str) -> bool:
    """Say whether a quote holds the sentence that answers, or is itself a part of it."""
    return max(sentence_share(sentence, quote.text), sentence_share(quote.text, sentence)) >= SENTENCE_SHARE
