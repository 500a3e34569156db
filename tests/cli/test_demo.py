"""`moat demo` with the whole platform behind it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.demo import QUESTIONS
from cli.home import Home

MOAT = (sys.executable, "-c", "from cli.main import main; main()")
LINE = "Moat is serving at http://127.0.0.1:"


@pytest.mark.end_to_end
@pytest.mark.timeout(600)
def test_the_demo_answers_serves_is_used_again_and_stops(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MOAT_")}
    options = ("demo", "--home", str(tmp_path / "home"), "--serve")
    out, err = tmp_path / "out", tmp_path / "err"
    with out.open("w") as stdout, err.open("w") as stderr:
        serving = subprocess.Popen([*MOAT, *options, "--port", "0"], stdout=stdout, stderr=stderr, env=environment)
    try:
        deadline = time.monotonic() + 400
        while LINE not in out.read_text():
            assert serving.poll() is None, err.read_text()
            assert time.monotonic() < deadline, err.read_text()
            time.sleep(0.2)
        told = out.read_text()
        assert "24 ready" in told
        assert told.count("Cost $0") == len(QUESTIONS)
        assert ", page 6 (demo)" in told
        again = subprocess.run([*MOAT, *options, "--json"], capture_output=True, text=True, env=environment, check=True)
        results = json.loads(again.stdout)
        assert all(document["duplicate"] for document in results["documents"])
        assert all(answer["citations"] for answer in results["answers"])
    finally:
        serving.send_signal(signal.SIGINT)
        code = serving.wait(30)
    assert code == 0, err.read_text()
    assert Home(tmp_path / "home").running() is None
