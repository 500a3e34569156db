"""Exports of providers' consoles, read into days and models. The lines are made up; the columns are the consoles'."""

from datetime import date
from decimal import Decimal

import pytest

from moat.errors import InvalidRequest
from moat.usage_exports import Billed, read_export

DAY = date(2026, 11, 3)
OPENAI_USAGE = """\
start_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,user_id,api_key_id,model,batch,\
service_tier,input_tokens,output_tokens,input_cached_tokens,input_uncached_tokens
1793664000,1793750400,2026-11-03T00:00:00+00:00,2026-11-04T00:00:00+00:00,proj_a,2,,key_1,gpt-4o-2024-08-06,false,\
default,1000,50,400,600
1793664000,1793750400,2026-11-03T00:00:00+00:00,2026-11-04T00:00:00+00:00,proj_b,1,,key_2,gpt-4o-2024-08-06,false,\
default,10,5,0,10
1793750400,1793836800,2026-11-04T00:00:00+00:00,2026-11-05T00:00:00+00:00,,,,,,,,,,,
"""
OPENAI_COSTS = """\
start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,quantity,line_item,project_id
1793664000,1793750400,2026-11-03T00:00:00+00:00,2026-11-04T00:00:00+00:00,0.0025000000000000,usd,,"gpt-4o, input",p
1793664000,1793750400,2026-11-03T00:00:00+00:00,2026-11-04T00:00:00+00:00,0.0005500000000000,usd,,"gpt-4o, output",p
1793750400,1793836800,2026-11-04T00:00:00+00:00,2026-11-05T00:00:00+00:00,,,,,
"""
ANTHROPIC_USAGE = """\
usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,\
usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,\
usage_output_tokens,web_search_count,inference_geo,speed
2026-11-03,claude-sonnet-4-5-20250929,key,Default,standard,≤ 200k,100,20,3,4000,55,0,global,
"""
ANTHROPIC_COSTS = """\
usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type
2026-11-03,Claude Sonnet 4.5,Default,key,message,≤ 200k,input_no_cache,0.30,0.30,token
2026-11-03,Claude Sonnet 4.5,Default,key,message,≤ 200k,output,0.07,0.07,token
"""


@pytest.mark.parametrize(
    ("text", "shape", "provider", "line"),
    [
        (OPENAI_USAGE, "OpenAI usage", "openai", Billed(DAY, "gpt-4o-2024-08-06", 1010, 55, 1065, None, 3)),
        (OPENAI_COSTS, "OpenAI costs", "openai", Billed(DAY, "gpt-4o", cost_usd=Decimal("0.00305"))),
        (
            ANTHROPIC_USAGE,
            "Anthropic usage",
            "anthropic",
            Billed(DAY, "claude-sonnet-4-5-20250929", 4123, 55, 4178),
        ),
        (ANTHROPIC_COSTS, "Anthropic costs", "anthropic", Billed(DAY, "claude-sonnet-4-5", cost_usd=Decimal("0.37"))),
        (
            '\ufeffDay,Model,Tokens,Dollars\n2026-11-03,big,"1,200",$0.10\n2026-11-03,big,1,0.02\n',
            "plain",
            "",
            Billed(DAY, "big", tokens=1201, cost_usd=Decimal("0.12")),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)
def test_each_shape_is_told_by_its_columns_and_summed(text: str, shape: str, provider: str, line: Billed) -> None:
    found = read_export(text)
    assert (found.shape, found.provider, found.lines) == (shape, provider, (line,))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "of no export"),
        ('"day,model', "Line 1"),
        ("date,what\n1,2\n", "of no export that is known: date, what"),
        ("day,model,tokens,dollars\n2026-11-03,big,1,0.1\nyesterday,big,1,0.1\n", "Line 3"),
        ("day,model,tokens,dollars\n2026-11-03,big,1.5,0.1\n", "tokens is no count: '1.5'"),
        ("day,model,tokens,dollars\n2026-11-03,big,-1,0.1\n", "tokens is no count"),
        ("day,model,tokens,dollars\n2026-11-03,big,1,nan\n", "'nan' is no amount"),
        ("day,model,tokens,dollars\n2026-11-03,big,1,ten\n", "Line 2"),
        ("day,model,tokens,dollars\n2026-11-03\n", "Line 2"),
        (OPENAI_COSTS.replace(",usd,", ",eur,"), "in 'eur', not in dollars"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, said: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_export(text)
    assert said in refused.value.detail
    assert "day,model,tokens,dollars" in refused.value.hint


def test_columns_without_dollars_or_tokens_stay_unknown() -> None:
    (line,) = read_export("day,model,tokens,dollars\n2026-11-03,big,,0.1\n").lines
    assert (line.tokens, line.cost_usd) == (None, Decimal("0.1"))
    (line,) = read_export("day,model,tokens\n2026-11-03,big,7\n").lines
    assert (line.tokens, line.cost_usd) == (7, None)
