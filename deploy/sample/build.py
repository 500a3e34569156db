"""Writes the binary documents of the sample (docx, pptx, xlsx, pdf) from the texts beside this file.

Run it after a change to sources/ or workbooks.py: python deploy/sample/build.py
"""

import argparse
import sys
from datetime import datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
sys.path.insert(0, str(REPOSITORY))

from deploy.sample.markup import Block, read_blocks  # noqa: E402
from deploy.sample.office import write_docx, write_pptx, write_xlsx  # noqa: E402
from deploy.sample.pdf import write_pdf  # noqa: E402
from deploy.sample.workbooks import BUDGET_2026, RENTAL_FLEET  # noqa: E402

DOCUMENTS = REPOSITORY / "evaluation" / "sample" / "documents"


def build(documents: Path) -> None:
    """Writes every generated file below `documents`; the same texts give the same bytes."""
    for folder in ("policies/archive", "safety", "company", "finance", "operations"):
        (documents / folder).mkdir(parents=True, exist_ok=True)

    def source(name: str) -> list[Block]:
        return read_blocks(HERE / "sources" / f"{name}.md")

    policies = documents / "policies"
    write_docx(policies / "purchasing-policy.docx", source("purchasing-policy"), _day(2025, 9, 22))
    write_docx(
        policies / "archive" / "travel-and-expenses-2023.docx", source("travel-and-expenses-2023"), _day(2023, 1, 30)
    )
    write_pdf(policies / "travel-and-expenses-2026.pdf", source("travel-and-expenses-2026"), contents=False)
    write_pdf(
        documents / "safety" / "installation-safety-manual.pdf", source("installation-safety-manual"), contents=True
    )
    write_pptx(documents / "company" / "all-hands-2026-q1.pptx", source("all-hands-2026-q1"), _day(2026, 4, 20))
    write_pptx(documents / "operations" / "handover-training.pptx", source("handover-training"), _day(2026, 3, 30))
    write_xlsx(documents / "finance" / "budget-2026.xlsx", BUDGET_2026, _day(2026, 4, 2))
    write_xlsx(documents / "operations" / "rental-fleet-week-23.xlsx", RENTAL_FLEET, _day(2026, 6, 5))


def _day(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, 9, 0)  # noqa: DTZ001 - Office properties carry no time zone


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=Path, default=DOCUMENTS, help="the folder to write into")
    build(parser.parse_args().documents)
