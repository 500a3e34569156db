"""What may be used once: the id of a token or signature is remembered until it would have expired anyway."""

import hashlib
from datetime import datetime

from sqlalchemy.orm import Session

from moat.database import Database
from moat.errors import Unauthenticated
from moat.tables import UsedToken


def use_once(database: Database, session: Session, issuer: str, id_: str, expires_at: datetime) -> None:
    """Take this id for the transaction's commit, or raise Unauthenticated when it was taken before."""
    name = f"{issuer}\n{id_}"
    database.lock(session, f"used/{name}")
    sha256 = hashlib.sha256(name.encode()).digest()
    if session.get(UsedToken, sha256) is not None:
        raise Unauthenticated("This has been used before and works once.", "Ask its issuer for a new one.")
    session.add(UsedToken(sha256=sha256, expires_at=expires_at))
