"""A report of 1,600 pages goes through in little memory."""

import io
import random
import sys
from pathlib import Path

import pytest
from reportlab.pdfgen.canvas import Canvas

from tests.fakes.files import small_file
from tests.fakes.patient import PatientClient, eventually
from tests.fakes.platform import running_platform
from tests.fakes.watch import ParserWatch

pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.soak,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="proportional set sizes are Linux's"),
]
ROOT = Path(__file__).parents[2]
WORKER = (sys.executable, "-m", "tests.fakes.counting_worker")
PAGES = 1_600
WEIGHT_BYTES = 1_000_000_000
SEED = 20261123
TEXT = (
    "the company and its consolidated subsidiaries recognised net revenue from operating segments as of fiscal year "
    "end under the credit agreement interest expense increased primarily due to foreign currency translation of long "
    "term debt while selling general and administrative costs were offset by income taxes payable on deferred assets"
)
WORDS = TEXT.split()


def report(pages: int) -> bytes:
    """Draw pages as an annual report has them: running lines, a heading, prose, and a table of figures."""
    rng = random.Random(SEED)
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(612, 792))
    for page in range(1, pages + 1):
        canvas.setFont("Helvetica", 8)
        canvas.drawString(72, 760, "Acme Holdings, Inc. - Annual Report")
        canvas.drawString(300, 30, str(page))
        canvas.setFont("Helvetica-Bold", 14)
        canvas.drawString(72, 730, f"Note {page}. {' '.join(rng.sample(WORDS, 4)).capitalize()}")
        canvas.setFont("Helvetica", 9)
        for line in range(36):
            canvas.drawString(
                72, 710 - 12 * line, f"{' '.join(rng.choices(WORDS, k=14))}{'.' if line % 4 == 3 else ''}"
            )
        for row in range(15):
            canvas.drawString(72, 260 - 12 * row, " ".join(rng.choices(WORDS, k=3)))
            for column in range(3):
                canvas.drawRightString(360 + 80 * column, 260 - 12 * row, f"{rng.randrange(10**6):,}")
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def test_1600_pages_go_through_below_a_gigabyte_of_worker_and_children(tmp_path: Path) -> None:
    """Without the embedder's model, whose own memory does not depend on the document."""
    (tmp_path / "embedded").touch()
    told = {"PYTHONPATH": str(ROOT), "COUNTING_WORDS": "1", "COUNTING_LOG": str(tmp_path / "embedded")}
    with running_platform(tmp_path / "home", worker_argv=WORKER, environment=told) as running:
        client = PatientClient(running)
        first = client.upload(*small_file(0))
        eventually(lambda: client.get(f"/v1/documents/{first}")["state"] == "ready")
        watch = ParserWatch(running)
        watch.start()
        try:
            eventually(lambda: watch.weight)
            idle = watch.weight
            document = client.upload("report.pdf", report(PAGES))
            eventually(lambda: client.get(f"/v1/documents/{document}")["state"] in ("ready", "failed"), 1500)
        finally:
            watch.stop()
        shown = client.get(f"/v1/documents/{document}")
    print(f"{shown['chunks']} chunks, {shown['timings']}; worker and children {watch.weight / 1e6:.0f} MB, ", end="")
    print(f"{idle / 1e6:.0f} MB before; the largest address space of a child {max(watch.peaks.values()) / 1e6:.0f} MB")
    assert (shown["state"], shown["pages"]) == ("ready", PAGES)
    assert shown["chunks"] > PAGES
    assert watch.weight < WEIGHT_BYTES
