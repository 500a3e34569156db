"""What every task needs, built once per worker process."""

from dataclasses import dataclass, field

from ingest.sandbox import Sandbox
from moat.blobs import Blobs
from moat.database import Database
from moat.jobs import Publisher
from moat.llm.embedders import EmbedderSource
from moat.settings import Settings
from moat.vectors import Vectors
from workers.claims import Claims
from workers.pace import Pace
from workers.sources.follower import Follower


@dataclass(frozen=True, slots=True)
class Parts:
    """A worker's dependencies, passed in."""

    settings: Settings
    database: Database
    vectors: Vectors
    embedders: EmbedderSource
    blobs: Blobs
    sandbox: Sandbox
    publisher: Publisher
    claims: Claims
    follower: Follower = field(default_factory=Follower)
    cleaning: Pace = field(default_factory=Pace)
