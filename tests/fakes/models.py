"""A model with known prices behind the API, and what its answers cost."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import select

from tests.fakes.api import Api
from tests.fakes.openai_server import FakeOpenAI

LUNCH = "Lunch is served at noon in the canteen. Bring your badge.\n"
PIECES = ("Lunch is served ", "at noon in the canteen [1].")
# 600 fresh, 400 cached and 100 output tokens at $3, $0.30 and $15 a million.
COST = Decimal("0.00342")
PRICES = {"input_usd_per_million": 3, "cached_usd_per_million": "0.30", "output_usd_per_million": 15}


def with_model(folder: Path, fake: FakeOpenAI, **answering: Any) -> Api:
    """Run the API with a model behind OpenAI's wire format."""
    api = Api(
        folder,
        providers={"fake": {"base_url": fake.url, "api_key": "sk-provider-secret", "max_retries": 0}},
        models={"fake/large": PRICES},
        answering=answering,
    )
    api.add("lunch.txt", LUNCH)
    return api


def rows(api: Api, table: type[Any]) -> list[Any]:
    with api.database.reading() as session:
        return list(session.scalars(select(table)).all())
