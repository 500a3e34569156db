const COUNT = new Intl.NumberFormat("en-US");

/** Say what an answer cost in one line: money, model, tokens in and out, seconds. */
export function costLine(answer, elapsedS) {
  const calls = answer.cost?.calls ?? [];
  const last = calls.filter((call) => call.kind === "answer").at(-1);
  const model = last ? `${last.provider}/${last.model}` : answer.model;
  const parts = [isZero(answer.cost?.total_usd) ? "free" : dollars(answer.cost.total_usd), model];
  const sum = (field) => calls.reduce((total, call) => total + (call[field] ?? 0), 0);
  if (calls.length) {
    const about = calls.some((call) => call.usage === "estimated") ? "about " : "";
    parts.push(`${about}${COUNT.format(sum("input_tokens"))} + ${COUNT.format(sum("output_tokens"))} tokens`);
  }
  parts.push(seconds(elapsedS));
  if (!isZero(answer.cost?.saved_usd)) parts.push(`saved ${dollars(answer.cost.saved_usd)}`);
  return parts.filter(Boolean).join(" · ");
}

/** Show a decimal string as dollars, digit for digit; only zeros that say nothing are cut. */
export function dollars(decimal) {
  const [whole, fraction = ""] = String(decimal).split(".");
  return `$${whole}.${fraction.replace(/0+$/, "").padEnd(2, "0")}`;
}

export function isZero(decimal) {
  return !/[1-9]/.test(String(decimal ?? "0"));
}

/** What one paid call used, for the table of calls. */
export function callCells(call) {
  const cached = call.cached_tokens ? ` (${COUNT.format(call.cached_tokens)} cached)` : "";
  const reasoning = call.reasoning_tokens ? ` (${COUNT.format(call.reasoning_tokens)} reasoning)` : "";
  return [
    call.attempt > 1 ? `${call.kind}, attempt ${call.attempt}` : call.kind,
    `${call.provider}/${call.model}`,
    `${COUNT.format(call.input_tokens)}${cached}`,
    `${COUNT.format(call.output_tokens)}${reasoning}`,
    dollars(call.cost_usd),
    call.usage === "estimated" ? `${call.status}, estimated` : call.status,
  ];
}

function seconds(elapsedS) {
  if (!Number.isFinite(elapsedS)) return "";
  return elapsedS < 0.095 ? `${Math.max(1, Math.round(elapsedS * 1000))} ms` : `${elapsedS.toFixed(1)} s`;
}
