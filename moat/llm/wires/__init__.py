"""One adapter for each wire format that language models are reached by; each is imported when it is first used."""

from functools import cache
from importlib import import_module

from moat.errors import Unavailable
from moat.llm.wires.base import Wire
from moat.provider_settings import Kind

_PLACES: dict[Kind, tuple[str, str, str]] = {
    "openai": ("openai", "OpenAI", ""),
    "openai_like": ("openai", "OpenAILike", ""),
    "azure": ("openai", "Azure", "azure"),
    "anthropic": ("anthropic", "Anthropic", "anthropic"),
    "google": ("google", "Google", "google"),
    "cohere": ("cohere", "Cohere", "cohere"),
    "bedrock": ("bedrock", "Bedrock", "bedrock"),
    "ollama": ("ollama", "Ollama", "ollama"),
}


@cache
def wire_of(kind: Kind) -> Wire:
    """Load an adapter and its client libraries, which takes seconds; raises Unavailable where they are missing."""
    module, name, extra = _PLACES[kind]
    try:
        made: Wire = getattr(import_module(f"moat.llm.wires.{module}"), name)()
        made.load()
    except ImportError as error:
        raise Unavailable(
            f"The libraries for {kind} are not installed: {error}.",
            f"Install moat[{extra}]." if extra else "Install Moat's dependencies again.",
        ) from error
    return made
