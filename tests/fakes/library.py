"""A small platform in one process for tests: SQLite, Qdrant's local mode, the words embedder."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID, uuid4

from qdrant_client import QdrantClient

from answering.query import Parts
from moat.database import Database
from moat.folder_blobs import FolderBlobs
from moat.llm.blocking import BlockingGateway
from moat.llm.gateway import Gateway
from moat.records import EVERYONE, Chunk, DocumentState, EmbeddedChunk
from moat.settings import Settings
from moat.sparse import encode_chunk
from moat.tables import Corpus, CorpusAccess, Document, DocumentAccess, Generation, Version
from moat.vectors import Vectors
from tests.fakes.embedder import FakeEmbedders


class Library:
    """Corpora and documents put straight into catalog and vectors, one chunk a paragraph."""

    def __init__(self, folder: Path, settings: Settings | None = None) -> None:
        self.settings = settings or Settings(home=folder)
        self.database = Database(f"sqlite:///{folder / 'catalog.db'}")
        self.database.migrate()
        self.vectors = Vectors(QdrantClient(":memory:"))
        self.embedders = FakeEmbedders()
        self.gateway = Gateway(self.settings, self.database)
        self.texts: dict[UUID, str] = {}
        self.parts = Parts(
            settings=self.settings,
            database=self.database,
            vectors=self.vectors,
            embedders=self.embedders,
            blobs=FolderBlobs(folder / "blobs"),
            gateway=self.gateway,
            calls=BlockingGateway(self.settings, self.database),
        )

    def corpus(self, name: str, access: Sequence[str] = (EVERYONE,), embedder: str = "words") -> UUID:
        """Make a corpus with an empty serving generation."""
        corpus_id = uuid4()
        with self.database.transaction() as session:
            session.add(Corpus(id=corpus_id, name=name, pipeline={"embedder": embedder, "late_interaction": True}))
            session.flush()
            session.add_all(CorpusAccess(corpus_id=corpus_id, principal=principal) for principal in access)
        self.flip(corpus_id, self.generation(corpus_id, embedder))
        return corpus_id

    def generation(self, corpus_id: UUID, embedder: str = "words") -> UUID:
        """Make a generation that does not serve yet."""
        generation_id = uuid4()
        dimension = self.embedders.get(embedder).dimension
        collection = f"g_{generation_id.hex}"
        self.vectors.create(collection, dimension, tokens=True)
        with self.database.transaction() as session:
            session.add(
                Generation(
                    id=generation_id,
                    corpus_id=corpus_id,
                    collection=collection,
                    pipeline={"embedder": embedder, "late_interaction": True},
                    fingerprint="test",
                    dimension=dimension,
                    state="building",
                )
            )
        return generation_id

    def flip(self, corpus_id: UUID, generation_id: UUID) -> None:
        """Let a generation serve."""
        with self.database.transaction() as session:
            corpus = session.get_one(Corpus, corpus_id)
            if corpus.serving_generation:
                session.get_one(Generation, corpus.serving_generation).state = "retired"
            session.get_one(Generation, generation_id).state = "serving"
            corpus.serving_generation = generation_id

    def add(
        self,
        corpus_id: UUID,
        name: str,
        text: str,
        access: Sequence[str] = (EVERYONE,),
        title: str = "",
        generation_id: UUID | None = None,
        version: int = 1,
        document_id: UUID | None = None,
    ) -> UUID:
        """Put a document that is ready; its paragraphs are its chunks."""
        with self.database.transaction() as session:
            serving = session.get_one(Corpus, corpus_id).serving_generation
            generation = session.get_one(Generation, generation_id or serving)
            document = session.get(Document, document_id) if document_id else None
            if document is None:
                document = Document(
                    id=document_id or uuid4(),
                    corpus_id=corpus_id,
                    key=name,
                    name=name,
                    version=version,
                    state=DocumentState.READY,
                    uploaded_by="test",
                )
                session.add(document)
                session.flush()
                session.add_all(DocumentAccess(document_id=document.id, principal=p) for p in access)
            document.version = document.serving_version = version
            if session.get(Version, (document.id, version)) is None:
                session.add(
                    Version(
                        document_id=document.id,
                        number=version,
                        sha256=uuid4().hex,
                        size=len(text),
                        filename=name,
                        media_type="text/plain",
                        title=title,
                    )
                )
        self.texts[document.id] = text
        embedder = self.embedders.get(generation.pipeline["embedder"])
        chunks = _paragraphs(text)
        both = zip(*embedder.embed_texts_and_tokens([chunk.text for chunk in chunks]), strict=True)
        self.vectors.upsert(
            generation.collection,
            generation.id,
            document.id,
            version,
            access,
            [EmbeddedChunk(c, v, encode_chunk(c.text), t) for c, (v, t) in zip(chunks, both, strict=True)],
        )
        return document.id

    def close(self) -> None:
        self.vectors.close()
        self.database.close()


def _paragraphs(text: str) -> list[Chunk]:
    chunks: list[Chunk] = []
    start = 0
    for paragraph in text.split("\n\n"):
        end = start + len(paragraph)
        chunks.append(Chunk(len(chunks), paragraph, start, end, None, (), len(paragraph.split())))
        start = end + 2
    return chunks
