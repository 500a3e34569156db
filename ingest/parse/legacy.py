"""Word and PowerPoint of before 2007: LibreOffice makes today's format of them, which is then read."""

import shutil
import tempfile
from pathlib import Path

from ingest.parse import office
from ingest.parse.programs import program_of, run
from moat.errors import ParsingFailed
from moat.media import OPENXML
from moat.records import ParsedDocument

_TARGETS = {
    "application/msword": ("doc", "docx", f"{OPENXML}wordprocessingml.document"),
    "application/vnd.ms-powerpoint": ("ppt", "pptx", f"{OPENXML}presentationml.presentation"),
}


def parse(path: Path, media_type: str, name: str) -> ParsedDocument:
    """Convert, then read as Word or PowerPoint; raises `ParsingFailed` where LibreOffice is not installed."""
    before, after, new_type = _TARGETS[media_type]
    program = program_of("legacy")
    if not program:
        raise ParsingFailed(
            f"{name!r} is in the Office format of before 2007; reading it needs LibreOffice, which is not installed.",
            f"Save it as {after} or pdf, or install LibreOffice (apt-get install libreoffice), then retry it.",
        )
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / f"source.{before}"
        shutil.copyfile(path, source)
        profile = f"-env:UserInstallation=file://{folder}/profile"
        run(program, [profile, "--headless", "--convert-to", after, "--outdir", folder, str(source)], name)
        converted = source.with_suffix(f".{after}")
        if not converted.exists():
            raise ParsingFailed(f"{name!r} could not be read by LibreOffice.", f"Save it as {after} and send it again.")
        return office.parse(converted, new_type, name)
