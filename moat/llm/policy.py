"""Who may ask which model about which corpora, and to which providers and regions their text may go."""

from collections.abc import Iterable, Sequence
from typing import cast

from sqlalchemy import Table, bindparam, select
from sqlalchemy.orm import Session

from moat.errors import ModelNotAllowed
from moat.ledger import CallContext
from moat.provider_settings import LOCAL_ONLY, ModelSettings, ProviderSettings
from moat.records import Reader
from moat.settings import Settings
from moat.tables import Corpus

_CORPORA = cast(Table, Corpus.__table__).c
_REACHES = select(_CORPORA.name, _CORPORA.reach).where(_CORPORA.name.in_(bindparam("names", expanding=True)))


def check_allowed(session: Session, settings: Settings, name: str, context: CallContext) -> None:
    """Raise ModelNotAllowed unless this reader may ask this model about all of these corpora.

    A question over several corpora gets what all of them allow, whichever model answers: the first or a fallback.
    """
    provider = name.partition("/")[0]
    known, server = settings.models[name], settings.providers[provider]
    corpora = tuple(dict.fromkeys((*context.corpora, *context.beside)))
    _check_settings(name, known, context.reader, corpora)
    for corpus, reach in _reaches(session, corpora):
        allowed = settings.data.reach if reach is None else reach
        if not may_reach(allowed, provider, server):
            place = f"{provider} in {server.region}" if server.region else provider
            raise ModelNotAllowed(f"Text of the corpus {corpus!r} may not reach {place}, where {name} runs.")


def may_reach(reach: Sequence[str] | None, provider: str, server: ProviderSettings) -> bool:
    """Tell whether text may go to a provider; None allows all that are configured, and what is local never leaves."""
    if reach is None or server.local:
        return True
    if LOCAL_ONLY in reach:
        return False
    places = {provider, f"{provider}@{server.region}", f"*@{server.region}"} if server.region else {provider}
    return any(place in places for place in reach)


def _check_settings(name: str, known: ModelSettings, reader: Reader, corpora: Sequence[str]) -> None:
    others = [corpus for corpus in corpora if known.corpora and corpus not in known.corpora]
    if others:
        raise ModelNotAllowed(f"{name} may not read the corpus {others[0]!r}.")
    groups = reader.groups
    if known.groups and not reader.is_admin and not groups.intersection(known.groups):
        raise ModelNotAllowed(f"{name} is for other groups than yours.")


def _reaches(session: Session, corpora: Iterable[str]) -> list[tuple[str, list[str] | None]]:
    rows = session.connection().execute(_REACHES, {"names": list(corpora)})
    return [(name, reach) for name, reach in rows]
