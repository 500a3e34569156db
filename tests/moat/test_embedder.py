"""Every engine gives what the model's own encode() gives, in order, from any number of threads."""

import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from moat.embedder import Embedder, Embedders, knows_english_only, model_folder
from moat.errors import InvalidRequest, NotConvertible
from moat.openvino_embedder import OpenVinoEmbedder
from moat.records import Vector
from moat.settings import EmbedderSettings
from moat.torch_embedder import TorchEmbedder, load_model
from tests.fakes.tiny_model import make_tiny_model

MODEL = "all-MiniLM-L6-v2"
TEXTS = [f"Sentence {n} says {'very ' * (n % 7)}little about lanterns." for n in range(50)] + ["long " * 600, ""]


@pytest.fixture(scope="module", params=[TorchEmbedder, OpenVinoEmbedder])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    engine = "torch" if request.param is TorchEmbedder else "openvino"
    made = Embedders(EmbedderSettings(engine=engine, passes=3)).get(MODEL)
    assert isinstance(made, request.param)
    return made


@pytest.fixture(scope="module")
def expected() -> Vector:
    model = load_model(model_folder(MODEL))
    vectors: Vector = model.encode(TEXTS, normalize_embeddings=True, show_progress_bar=False)
    return vectors


def test_vectors_are_the_models_own_in_the_order_of_the_texts(embedder: Embedder, expected: Vector) -> None:
    np.testing.assert_allclose(embedder.embed_texts(TEXTS), expected, atol=1e-5)
    np.testing.assert_allclose(embedder.embed_question(TEXTS[7]), expected[7], atol=1e-5)
    assert embedder.embed_texts([]).shape == (0, embedder.dimension)


def test_many_threads_may_embed_and_count_at_once(embedder: Embedder) -> None:
    alone, spans = embedder.embed_texts(TEXTS), embedder.token_spans(TEXTS[0])
    with ThreadPoolExecutor(8) as threads:
        embedded = [threads.submit(embedder.embed_texts, TEXTS) for _ in range(4)]
        counted = [threads.submit(embedder.token_spans, TEXTS[0]) for _ in range(20)]
        for future in embedded:
            np.testing.assert_allclose(future.result(), alone, atol=1e-5)
        assert all(future.result() == spans for future in counted)


def test_spans_are_of_the_text_itself_and_of_all_of_it(embedder: Embedder) -> None:
    text = "Grüße aus Zürich: unaffordable"
    pieces = [text[start:end] for start, end in embedder.token_spans(text)]
    assert "".join(pieces) == text.replace(" ", "")
    assert len(embedder.token_spans("long " * 600)) == 600 > embedder.max_tokens


def test_eight_bits_make_an_embedder_of_its_own_that_is_near_the_model(expected: Vector) -> None:
    embedder = Embedders(EmbedderSettings()).get(f"{MODEL}@int8")
    assert embedder.name == f"{MODEL}@int8"
    cosines = (embedder.embed_texts(TEXTS) * expected).sum(axis=1)
    assert 0.98 < cosines.min() < 0.99999
    assert knows_english_only(embedder.name)
    assert not knows_english_only("/models/multilingual")


def test_a_model_in_a_folder_is_converted_once(tmp_path: Path) -> None:
    name, kept = make_tiny_model(tmp_path / "tiny", dimension=32), tmp_path / "converted"
    embedders = [Embedders(EmbedderSettings(engine="openvino", converted=str(kept))).get(name) for _ in range(2)]
    theirs = Embedders(EmbedderSettings(engine="torch")).get(name)
    assert embedders[0].dimension == theirs.dimension == 32
    np.testing.assert_allclose(embedders[1].embed_texts(TEXTS), theirs.embed_texts(TEXTS), atol=1e-5)
    assert len([entry for entry in kept.iterdir() if entry.is_dir()]) == 1


def test_where_a_model_cannot_be_converted_torch_runs_it_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a-file").touch()
    nowhere = str(tmp_path / "a-file" / "models")
    with caplog.at_level(logging.WARNING):
        assert isinstance(Embedders(EmbedderSettings(converted=nowhere)).get(MODEL), TorchEmbedder)
    assert "MOAT_EMBEDDER__CONVERTED" in caplog.text
    for name, engine in ((MODEL, "openvino"), (f"{MODEL}@int8", "auto")):
        with pytest.raises(NotConvertible):
            Embedders(EmbedderSettings.model_validate({"engine": engine, "converted": nowhere})).get(name)


def test_a_converted_model_needs_neither_torch_nor_anything_that_reports_home() -> None:
    Embedders(EmbedderSettings(engine="openvino")).get(MODEL)  # converted by now
    seen = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from moat.embedder import Embedders; from moat.settings import EmbedderSettings; "
            f"Embedders(EmbedderSettings(engine='openvino')).get({MODEL!r}).embed_texts(['Where?', 'There.'] * 8); "
            "print([name for name in ('torch', 'transformers', 'openvino_telemetry') if sys.modules.get(name)])",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert seen.stdout.strip() == "[]"


def test_an_embedder_that_is_not_here_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="no embedder") as refused:
        Embedders(EmbedderSettings()).get(str(tmp_path))
    assert MODEL in refused.value.hint
