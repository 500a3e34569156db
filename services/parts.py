"""What the routes need, built once by `create_app`."""

from dataclasses import dataclass, field

from answering.answer import Parts as AnsweringParts
from moat.blobs import Blobs
from moat.database import Database
from moat.jobs import Publisher
from moat.oidc import Issuer
from moat.settings import Settings
from moat.vectors import Vectors
from services.lately import Lately


@dataclass(frozen=True, slots=True)
class Parts:
    """The API's dependencies, passed in."""

    settings: Settings
    database: Database
    vectors: Vectors
    blobs: Blobs
    publisher: Publisher
    answering: AnsweringParts
    issuer: Issuer | None = None
    lately: Lately = field(default_factory=Lately)
