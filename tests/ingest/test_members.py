"""Unpacking in a real child: within its limits, in its own folder, and not believed."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.members import read_members
from ingest.parse.members import UnpackLimits
from ingest.sandbox import Sandbox
from moat.errors import MoatError, ParserCrashed, ParsingFailed
from moat.settings import SandboxSettings
from tests.fakes.compound import outlook
from tests.fakes.documents import zipped

ZIP = "application/zip"
OUTLOOK = "application/vnd.ms-outlook"
LIMITS = UnpackLimits(members=5, member_bytes=1_000_000, total_bytes=50_000_000, max_expansion=200)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox(SandboxSettings())
    yield made
    made.close()


def written(folder: Path, content: bytes) -> Path:
    path = folder / "upload"
    path.write_bytes(content)
    return path


def test_members_lie_in_the_childs_folder_until_the_block_ends(sandbox: Sandbox, tmp_path: Path) -> None:
    path = written(tmp_path, zipped({"a/b.txt": "one", "c.txt": "two"}))
    with sandbox.unpack(path, ZIP, "x.zip", LIMITS) as found:
        assert [(m.path, m.file.read_text()) for m in found.members] == [("a/b.txt", "one"), ("c.txt", "two")]
        folder = found.members[0].file.parent
    assert not folder.exists()


def test_what_is_attached_to_an_outlook_message_comes_out_by_its_own_name(sandbox: Sandbox, tmp_path: Path) -> None:
    attachments = {"plan.txt": b"Lunch is at noon.", "C:\\notes\\list.csv": b"a,b\n1,2\n"}
    path = written(tmp_path, outlook("Plans", "See below.", "Ada", "Bob", attachments))
    assert sandbox.parse(path, OUTLOOK, "x.msg").members == 2
    with sandbox.unpack(path, OUTLOOK, "x.msg", LIMITS) as found:
        assert [m.path for m in found.members] == ["plan.txt", "list.csv"]
        assert [m.file.read_bytes() for m in found.members] == list(attachments.values())


def test_a_bomb_is_refused_before_it_is_unpacked(sandbox: Sandbox, tmp_path: Path) -> None:
    path = written(tmp_path, zipped({"zeros.txt": bytes(60_000_000)}))
    with pytest.raises(ParsingFailed, match="times when unpacked"), sandbox.unpack(path, ZIP, "x.zip", LIMITS):
        pass


def test_a_member_that_is_too_large_is_named_and_the_others_come(sandbox: Sandbox, tmp_path: Path) -> None:
    path = written(tmp_path, zipped({"large.txt": bytes(1_000_001), "small.txt": "two"}))
    with sandbox.unpack(path, ZIP, "x.zip", LIMITS) as found:
        assert [m.path for m in found.members] == ["small.txt"]
        assert "large.txt" in found.warnings[0]


def test_a_damaged_member_fails_the_archive_with_its_name(sandbox: Sandbox, tmp_path: Path) -> None:
    content = bytearray(zipped({"a.txt": "one two three four five " * 50}))
    with zipfile.ZipFile(written(tmp_path, bytes(content))) as archive:
        start = archive.infolist()[0].header_offset + 40
    content[start : start + 8] = b"\xff" * 8
    path = written(tmp_path, bytes(content))
    with pytest.raises(MoatError, match=r"a\.txt|damaged"), sandbox.unpack(path, ZIP, "x.zip", LIMITS):
        pass


@pytest.mark.parametrize("path", ["../up", "", "x" * 401, "a\nb"])
def test_a_child_that_names_what_it_never_should_is_not_believed(tmp_path: Path, path: str) -> None:
    (tmp_path / "member-0").write_text("x")
    reply = json.dumps({"paths": [path], "warnings": []}).encode()
    with pytest.raises(ParserCrashed):
        read_members(reply, tmp_path, LIMITS)


def test_a_link_in_place_of_a_member_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "member-0").symlink_to("/etc/passwd")
    with pytest.raises(ParserCrashed):
        read_members(b'{"paths": ["a.txt"], "warnings": []}', tmp_path, LIMITS)
