"""The settings of what is kept and for how long: answers, those to be given again, the audit log; how erasures end."""

from pydantic import Field

from moat.section import Section


class RetentionSettings(Section):
    answers_days: int = Field(0, ge=0, le=36_500, description="Days after which stored answers go; 0 keeps them.")


class CacheSettings(Section):
    answers: bool = Field(
        False, description="Give a stored answer again, where question, sources, model and rights are the same."
    )
    ttl_s: int = Field(86_400, ge=1, le=2_592_000, description="How long an answer is given again, at most.")


class AuditSettings(Section):
    days: int = Field(0, ge=0, le=36_500, description="Days after which entries of the audit log go; 0 keeps them.")
    questions: bool = Field(False, description="Write questions into the audit log, not only that one was asked.")


class ErasureSettings(Section):
    wait_s: float = Field(
        15,
        ge=0,
        le=86_400,
        description="How long erasures wait for others, so that the disk is cleaned once for all; 0: not at all.",
    )
    vacuum_up_to_bytes: int = Field(
        512_000_000,
        ge=0,
        description="SQLite catalogs up to this size are rewritten after an erasure; it stops writes.",
    )
