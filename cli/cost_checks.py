"""Prints whether the ledger is what providers bill, and what the calls cost by other prices."""

from cli.client import JsonObject
from cli.output import dollars, err, out, table


def show_reconciled(found: JsonObject) -> None:
    """Print the lines that differ, with where each difference is from, and the sums."""
    out.print(f"{found['shape']}: {found['first_day'] or '-'} to {found['last_day'] or '-'}")
    differing = [line for line in found["lines"] if line["difference_usd"] != "0" or line["difference_tokens"]]
    rows = table("Day", "Model", "Booked", "Billed", "Difference", "Tokens", "Where it is from", right=("Difference",))
    for line in differing:
        tokens = "-" if line["difference_tokens"] is None else f"{line['difference_tokens']:+,}"
        reasons = "; ".join(f"{reason['reason']} {dollars(reason['usd'])}" for reason in line["reasons"])
        amounts = (line["booked_usd"], line["billed_usd"], line["difference_usd"])
        rows.add_row(line["day"], line["model"] or "all", *map(_amount, amounts), tokens, reasons or line["detail"])
    if differing:
        out.print(rows)
    same = len(found["lines"]) - len(differing)
    out.print(f"{same:,} of {len(found['lines']):,} lines are the same on both sides.")
    if found["billed_usd"] is not None:
        sums = f"Booked {dollars(found['booked_usd'])}, billed {dollars(found['billed_usd'])}"
        out.print(f"{sums}, difference {dollars(found['difference_usd'])}", style="bold")


def show_repriced(found: JsonObject) -> None:
    """Print how many calls came out the same, those that did not, and what today's prices would change."""
    out.print(
        f"{found['equal']:,} of {found['calls']:,} calls come out the same by their own prices, to the last digit."
    )
    if found["unknown"]:
        out.print(f"{found['unknown']:,} were made before prices were kept, and are taken as booked.")
    for call in found["differing_calls"]:
        err.print(
            f"{call['id']} {call['model']}: booked {dollars(call['booked_usd'])}, now {dollars(call['again_usd'])}"
        )
    rows = table("Model", "Calls", "As booked", "By today's prices", "Change", right=("Calls", "As booked", "Change"))
    for line in found["models"]:
        amounts = (line["booked_usd"], line["today_usd"], line["change_usd"])
        rows.add_row(line["model"], f"{line['calls']:,}", *map(_amount, amounts))
    if found["models"]:
        out.print(rows)


def _amount(amount: str | None) -> str:
    return "unknown" if amount is None else dollars(amount)
