"""All that happens to a file before embedding, without the platform: parse in the sandbox, clean, mask, chunk."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.processes import Stage, apart, timed

_HEAD_BYTES = 4096


def read_by_moat(files: Sequence[Path], ocr: bool = True) -> tuple[int, Stage]:
    """Read files in a process of its own, as many at once as a worker does, and give their pages and what that took.

    The parsers are imported and the tokenizer loaded before. A file without pages counts as one page.
    """
    with apart() as process:
        return process.submit(_read, list(files), ocr).result()


def _read(files: list[Path], ocr: bool) -> tuple[int, Stage]:
    from ingest.pipeline import prepare
    from ingest.sandbox import Sandbox
    from moat.embedder import Embedders
    from moat.media import sniff
    from moat.pipeline_settings import PipelineSettings
    from moat.settings import EmbedderSettings, SandboxSettings, WorkerSettings

    embedder = Embedders(EmbedderSettings()).get(EmbedderSettings().default)
    settings = SandboxSettings()
    sandbox = Sandbox(settings if ocr else settings.model_copy(update={"ocr_max_pages": 0}))

    def read(file: Path) -> int:
        with file.open("rb") as opened:
            media_type = sniff(opened.read(_HEAD_BYTES), file, file.name)
        parsed = sandbox.parse(file, media_type, file.name)
        prepare(parsed, file.name, PipelineSettings(), embedder)
        return parsed.pages or 1

    read(Path(__file__))
    stages: dict[str, Stage] = {}
    with timed(stages, "read"):
        with ThreadPoolExecutor(WorkerSettings().concurrency) as threads:
            pages = sum(threads.map(read, files))
        sandbox.close()  # its children's CPU seconds count when they have ended
    return pages, stages["read"]
