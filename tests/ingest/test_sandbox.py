"""The sandbox with real children: what a hostile document does stays in its child, and says why it failed."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from ingest.landlock import landlock_version
from ingest.parse import parse as parse_here
from ingest.sandbox import Sandbox
from moat.errors import MoatError, ParserCrashed, ParsingFailed
from moat.settings import SandboxSettings
from tests.fakes import documents

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
HOSTILE = "tests.fakes.hostile_child"
Act = Callable[[str], str]


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "document"
    path.write_text("content")
    return path


def sandbox(**limits: float) -> Sandbox:
    return Sandbox(SandboxSettings(**{"memory_bytes": 400_000_000, **limits}), HOSTILE)  # type: ignore[arg-type]


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with_limits = sandbox(cpu_s=1, max_output_bytes=2_000_000)
    yield with_limits
    with_limits.close()


@pytest.fixture
def act(box: Sandbox, document: Path) -> Act:
    return lambda name: do(box, document, name)


def do(box: Sandbox, document: Path, name: str) -> str:
    return box.parse(document, "text/plain", name).elements[0].text


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("name", "fact", "setting"),
    [
        ("hog", "needs more than 400 MB of memory", "MOAT_SANDBOX__MEMORY_BYTES"),
        ("loop", "more than 1 CPU seconds", "MOAT_SANDBOX__CPU_S"),
        ("shout", "more than 2 MB of text", "MOAT_SANDBOX__MAX_OUTPUT_BYTES"),
    ],
)
def test_a_broken_limit_is_a_permanent_failure_that_names_its_setting(act: Act, name: str, fact: str, setting: str):
    with pytest.raises(ParsingFailed, match=fact) as failed:
        act(name)
    assert setting in failed.value.hint
    assert act("print") == "quiet"  # the next document is read


def test_the_wall_limit_ends_a_document_that_only_waits(document: Path):
    box = sandbox(wall_s=1.5)
    try:
        with pytest.raises(ParsingFailed, match=r"longer than 1\.5 seconds") as failed:
            do(box, document, "sleep")
        assert "MOAT_SANDBOX__WALL_S" in failed.value.hint
    finally:
        box.close()


@pytest.mark.parametrize(("name", "how"), [("segfault", "SIGSEGV"), ("exit", "code 3")])
def test_a_parser_that_dies_is_worth_another_try(act: Act, name: str, how: str):
    with pytest.raises(ParserCrashed, match=how) as crashed:
        act(name)
    assert crashed.value.retryable
    assert act("print") == "quiet"


def test_an_error_inside_is_told_in_words_and_logged_in_full(act: Act, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    with pytest.raises(ParsingFailed) as failed:
        act("bug")
    assert "internal-detail-42" not in failed.value.detail + failed.value.hint
    assert "internal-detail-42" in caplog.text


def test_a_parsers_own_refusal_arrives_with_its_hint(act: Act):
    with pytest.raises(ParsingFailed, match="It is sealed") as failed:
        act("refuse")
    assert failed.value.hint == "Unseal it."


def test_endless_recursion_is_refused(act: Act):
    with pytest.raises(ParsingFailed, match="nested too deeply"):
        act("recurse")


@pytest.mark.parametrize("name", ["connect", "connect_in_c"])
def test_the_network_cannot_be_reached(act: Act, document: Path, name: str):
    with socket.create_server(("127.0.0.1", 0)) as server:
        document.write_text(str(server.getsockname()[1]))
        if name == "connect_in_c" and not network_namespaces_work():
            pytest.skip("this kernel lets nobody make a network namespace here; only Python code is kept from sockets")
        assert act(name) != "it worked"


def network_namespaces_work() -> bool:
    code = "import ctypes, sys; u = ctypes.CDLL(None).unshare; sys.exit(u(0x40000000) and u(0x50000000))"
    return subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_environment_holds_no_secrets(act: Act, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MOAT_KEY", "secret")
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    environment = json.loads(act("report"))["environment"]
    assert "secret" not in environment.values()
    assert environment["DO_NOT_TRACK"] == "1"


def test_changes_outside_the_folder_are_refused(act: Act, document: Path):
    assert act("write_outside").startswith("PermissionError")
    assert act("delete_outside").startswith("PermissionError")
    assert document.read_text() == "content"
    assert act("write_inside") == "fine"


@pytest.mark.skipif(
    landlock_version() < 1, reason="this kernel has no Landlock; only Python code is kept in the folder"
)
def test_c_code_changes_nothing_outside_the_folder(act: Act, document: Path):
    assert json.loads(act("write_outside_in_c")) == [False] * 5
    assert document.read_text() == "content"
    assert [path.name for path in document.parent.iterdir()] == ["document"]
    assert act("write_inside") == "fine"


def test_no_other_program_is_started(act: Act):
    assert act("start_program").startswith("PermissionError")


def test_a_format_with_a_program_may_start_no_other(box: Sandbox, document: Path):
    told = box.parse(document, "text/x-rst", "start_program").elements[0].text
    assert told.startswith("PermissionError")


def test_a_file_cannot_fill_the_disk(act: Act):
    assert act("big_file").startswith("OSError")


def test_a_warm_child_is_used_again_and_replaced_after_its_share(document: Path):
    box = sandbox(documents_per_child=2)
    try:
        pids = [json.loads(do(box, document, "report"))["pid"] for _ in range(4)]
    finally:
        box.close()
    assert pids[0] == pids[1] != pids[2] == pids[3]


def test_a_child_is_not_used_again_after_a_failure(act: Act):
    first = json.loads(act("report"))["pid"]
    with pytest.raises(ParsingFailed):
        act("refuse")
    assert json.loads(act("report"))["pid"] != first


def test_the_cpu_limit_counts_each_document_alone(box: Sandbox, document: Path):
    first = json.loads(do(box, document, "report"))["pid"]
    for _ in range(3):
        assert do(box, document, "print") == "quiet"
    assert json.loads(do(box, document, "report"))["pid"] == first


def test_an_idle_child_is_let_go_with_its_folder(document: Path):
    box = sandbox(idle_s=0.3)
    try:
        told = json.loads(do(box, document, "report"))
        wait_until(lambda: not psutil.pid_exists(told["pid"]) and not Path(told["folder"]).exists())
        assert do(box, document, "print") == "quiet"
    finally:
        box.close()


def test_a_child_killed_while_idle_is_not_noticed(act: Act):
    pid = json.loads(act("report"))["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    assert act("print") == "quiet"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_without_its_fork_server_a_document_is_tried_again_and_another_server_starts(act: Act, document: Path):
    server = psutil.Process(json.loads(act("report"))["pid"]).parent()
    assert server is not None
    with ThreadPoolExecutor(1) as thread:
        asleep = thread.submit(act, "sleep")
        wait_until(lambda: bool(server.children()) and server.children()[0].cpu_times().user >= 0)
        server.kill()
        with pytest.raises(ParserCrashed, match="SIGKILL"):
            asleep.result(20)
    again = json.loads(act("report"))["pid"]
    assert psutil.Process(again).ppid() != server.pid


def test_an_ended_child_keeps_its_number_until_it_is_let_go(box: Sandbox, act: Act):
    pid = json.loads(act("report"))["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    time.sleep(0.2)
    assert psutil.pid_exists(pid)
    box.close()
    assert not psutil.pid_exists(pid)


def test_threads_get_a_child_each_that_outlives_them(document: Path):
    box = sandbox()
    together = threading.Barrier(2, timeout=20)

    def one(_: int) -> int:
        together.wait()
        return int(json.loads(do(box, document, "report"))["pid"])

    try:
        with ThreadPoolExecutor(2) as threads:
            pids = set(threads.map(one, range(2)))
        assert all(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids)
        assert json.loads(do(box, document, "report"))["pid"] in pids
    finally:
        box.close()


def test_a_folder_in_use_is_never_cleared(box: Sandbox, document: Path):
    folder = Path(json.loads(do(box, document, "report"))["folder"])
    os.utime(folder, (0, 0))
    sandbox().close()
    assert folder.exists()


def test_closing_leaves_no_process_and_no_folder(document: Path):
    box = sandbox()
    told = json.loads(do(box, document, "report"))
    box.close()
    assert not psutil.pid_exists(told["pid"])
    assert not Path(told["folder"]).exists()
    with pytest.raises(RuntimeError, match="closed"):
        do(box, document, "print")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a busy child with its parent")
def test_a_busy_child_dies_with_its_parent_and_its_folder_is_cleared_later(document: Path):
    code = (
        "import sys; from pathlib import Path; from ingest.sandbox import Sandbox;"
        "from moat.settings import SandboxSettings;"
        f"Sandbox(SandboxSettings(), {HOSTILE!r}).parse(Path(sys.argv[1]), 'text/plain', 'sleep')"
    )
    parent = psutil.Popen([sys.executable, "-c", code, str(document)])
    try:
        wait_until(lambda: len(parent.children(recursive=True)) == 2)
        _, child = parent.children(recursive=True)
        wait_until(lambda: Path(child.cwd()) != Path("/"))
        folder = Path(child.cwd())
    finally:
        parent.kill()
        parent.wait()
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    os.utime(folder, (0, 0))
    sandbox().close()
    assert not folder.exists()


@pytest.mark.parametrize(
    ("content", "media_type"), [(b"# Title\n\nText.", "text/markdown"), (documents.docx(), DOCX)], ids=["md", "docx"]
)
def test_the_real_child_gives_what_parsing_here_gives(tmp_path: Path, content: bytes, media_type: str):
    path = tmp_path / "document"
    path.write_bytes(content)
    box = Sandbox(SandboxSettings())
    try:
        assert box.parse(path, media_type, "d") == parse_here(path, media_type, "d")
    finally:
        box.close()


def test_real_parsers_stay_small(tmp_path: Path):
    path = tmp_path / "document"
    path.write_bytes(documents.docx())
    box = Sandbox(SandboxSettings())
    try:
        box.parse(path, DOCX, "d.docx")
        family = [p for p in psutil.Process().children(recursive=True) if "ingest.fork_server" in p.cmdline()]
        assert len(family) == 2  # the server and its child
        assert sum(process.memory_full_info().pss for process in family) < 250_000_000
    finally:
        box.close()


def test_every_failure_can_be_acted_on(act: Act):
    for name in ("hog", "segfault", "bug", "recurse", "shout"):
        with pytest.raises(MoatError) as failed:
            act(name)
        assert failed.value.hint
