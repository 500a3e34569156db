"""What becomes of a document: the part of the settings that a corpus may have of its own."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field

from moat.section import Section


class CleaningSettings(Section):
    """What is repaired in a document's text, or left out of what is indexed; each rule can be switched off."""

    mojibake: bool = Field(True, description="Repair text that was decoded with the wrong charset.")
    unicode_forms: bool = Field(True, description="Compose accents and spell out ligatures.")
    invisible: bool = Field(True, description="Drop zero-width, direction and tag characters.")
    hidden_text: bool = Field(True, description="Leave out what a reader of the document cannot see.")
    boilerplate: bool = Field(True, description="Leave out menus, page footers and cookie notices of web pages.")
    quoted_replies: bool = Field(True, description="Leave out the older mails that a reply quotes.")
    signatures: bool = Field(True, description="Leave out the signature under a mail.")
    running_headers: bool = Field(True, description="Leave out lines that return on most pages.")
    hyphenation: bool = Field(True, description="Join words that were cut at a line's end.")


RedactedType = Literal["email", "phone", "card", "iban", "national_id", "ip", "secret"]


class RedactionSettings(Section):
    """Which personal data and secrets are masked before anything of a document is stored."""

    mode: Literal["off", "mask"] = Field("off", description="`mask` writes [email] where an address stood.")
    types: tuple[RedactedType, ...] = Field(
        ("email", "phone", "card", "iban", "national_id", "ip", "secret"), description="What is masked."
    )
    keep_original: bool = Field(False, description="Under `mask`: keep the uploaded file, with all it holds.")


class PipelineSettings(Section):
    """How a corpus's documents become chunks; part of a generation's fingerprint."""

    embedder: str = Field(
        "all-MiniLM-L6-v2", min_length=1, description="Package's model, sentence-transformers folder, 'provider/model'."
    )
    chunk_tokens: int = Field(
        256, ge=32, le=8192, description="Most word pieces in a chunk, within the embedder's window."
    )
    late_interaction: bool = Field(
        True, description="Keep a vector for most word pieces, and rank what was found by them; where the embedder can."
    )
    cleaning: CleaningSettings = CleaningSettings()
    redaction: RedactionSettings = RedactionSettings()

    @classmethod
    def stored(cls, pipeline: Mapping[str, Any]) -> Self:
        """Read a generation's pipeline; one from before late interaction has no token vectors."""
        return cls.model_validate({"late_interaction": False, **pipeline})
