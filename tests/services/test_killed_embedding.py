"""A worker dies while a provider embeds for it: what it asked is in the ledger once, and nothing kept is paid twice."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import update

from moat.records import DocumentState
from moat.tables import CallRow, Indexing, utc_now
from tests.fakes.api import Api
from tests.fakes.edge_process import edge_process
from tests.fakes.model_server import model_server
from tests.fakes.models import rows
from tests.fakes.paid_embedder import EMBED, MODELS, WORD_USD, Billing
from workers.sweep import sweep

ROOT = Path(__file__).parents[2]
BATCHES, DIES_IN = 4, 3
CHUNKS_A_BATCH = 64


def long_text() -> str:
    """Write so many paragraphs, none like another, that each is a chunk."""
    count = CHUNKS_A_BATCH * BATCHES - 10
    return "\n\n".join(f"# Berth {n}\n\n" + " ".join(f"berth{n}word{w}" for w in range(20)) for n in range(count))


@pytest.mark.end_to_end
def test_a_worker_killed_in_a_paid_batch_loses_no_row_and_pays_nothing_kept_twice(tmp_path: Path) -> None:
    home, billing = tmp_path / "home", Billing()
    home.mkdir()
    billing.waits_at = DIES_IN
    with edge_process(tmp_path / "edge") as edge, model_server(billing) as server:
        providers = {"fake": {"base_url": server.url, "kind": "openai_like", "api_key": "sk-x"}}
        api = Api(home, edge.client(), providers=providers, models=MODELS)
        pipeline = {"embedder": EMBED, "chunk_tokens": 128}
        api.admin.post("/v1/corpora", json={"name": "harbour", "access": ["staff"], "pipeline": pipeline})
        sent = api.upload("berths.md", long_text(), corpus="harbour", access="staff")
        (indexing,) = rows(api, Indexing)
        environment = {
            **os.environ,
            "MOAT_HOME": str(home),
            "MOAT_BROKER__URL": "memory://",
            **edge.environment,
            "MOAT_PROVIDERS": json.dumps(providers),
            "MOAT_MODELS": json.dumps(MODELS),
        }
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.paid_worker", str(indexing.id)],
            cwd=ROOT,
            env=environment,
            start_new_session=True,
        )
        assert billing.reached.wait(60)
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        billing.go.set()
        assert Counter(call.status for call in rows(api, CallRow)) == {"ok": DIES_IN - 1, "open": 1}
        with api.database.transaction() as session:  # as if a lease and the time of a call had passed
            session.execute(update(CallRow).where(CallRow.status == "open").values(expires_at=utc_now()))
            session.execute(update(Indexing).values(lease_until=utc_now(), available_at=utc_now()))
        sweep(api.worker)
        with api.database.transaction() as session:
            session.execute(
                update(Indexing).where(Indexing.state == DocumentState.QUEUED).values(available_at=utc_now())
            )
        api.work()
        shown = api.admin.get(f"/v1/documents/{sent.json()['items'][0]['id']}").json()
        assert shown["state"] == "ready", shown
        made = rows(api, CallRow)
        assert len(made) == len(billing.batches), "each request has its row"
        in_flight = billing.batches[DIES_IN - 1]
        again = {text for text, count in Counter(billing.texts).items() if count > 1}
        assert again == set(in_flight)
        assert len(set(billing.texts)) == shown["chunks"] > CHUNKS_A_BATCH * (BATCHES - 1)
        (lost,) = [call for call in made if call.status == "presumed"]
        assert (lost.usage, lost.cost_usd) == ("estimated", lost.ceiling_usd)
        exact = [call for call in made if call.status == "ok"]
        unknown = sum(len(text.split()) for text in in_flight)
        assert sum(call.cost_usd for call in exact) == (billing.billed_words - unknown) * WORD_USD
        assert {str(call.document_id) for call in made} == {shown["id"]}
        api.close()
