"""What an upload would take, asked of the server file by file, and shown."""

from collections.abc import Sequence
from contextlib import ExitStack
from decimal import Decimal
from urllib.parse import quote

from cli.client import Client, JsonObject
from cli.files import LocalFile
from cli.output import counted, dollars, out, table
from cli.sending import batches


def plan_upload(client: Client, corpus: str, files: Sequence[LocalFile]) -> JsonObject:
    """Send the files for a dry run, in calls of a bearable size, and sum up what they would take."""
    items: list[JsonObject] = []
    tokens, expected, ceiling, why = 0, Decimal(0), Decimal(0), ""
    for batch in batches(files):
        with ExitStack() as stack:
            opened = [(file.key, stack.enter_context(file.path.open("rb"))) for file in batch]
            path = f"/v1/corpora/{quote(corpus, safe='')}/documents"
            told = client.upload(path, opened, {"key": [file.key for file in batch], "dry_run": "true"})
        items += told["items"]
        tokens += told["tokens"]
        expected, ceiling = expected + Decimal(told["expected_usd"]), ceiling + Decimal(told["ceiling_usd"])
        why = told["why"]
    sums = {"tokens": tokens, "expected_usd": f"{expected:f}", "ceiling_usd": f"{ceiling:f}", "why": why}
    return {"items": items, **sums}


def show_plan(plan: JsonObject) -> None:
    """Print what an upload would take, and which files would be refused."""
    refused = [item for item in plan["items"] if item["problem"]]
    if refused:
        rows = table("File", "Reason", "What to do")
        for item in refused:
            rows.add_row(item["filename"], item["problem"]["detail"], item["problem"]["hint"])
        out.print(rows)
    taken = counted(len(plan["items"]) - len(refused), "file")
    price = f"{dollars(plan['expected_usd'])}, at most {dollars(plan['ceiling_usd'])}"
    out.print(f"{taken} would be taken: about {plan['tokens']:,} tokens, {price}. {plan['why']}", soft_wrap=True)
    out.print("Nothing was uploaded.")
