"""Filters: Qdrant's conditions in Edge's words."""

from collections.abc import Iterable
from typing import Any

import qdrant_edge as edge
from qdrant_client import grpc as pb

from moat.errors import InvalidRequest
from services.edge.refusal import Unsupported
from services.edge.wire import edge_ids


def edge_filter(wanted: pb.Filter) -> edge.Filter | None:
    """Read a filter; an empty one is none."""
    if not wanted.ListFields():
        return None
    return edge.Filter(
        must=_conditions(wanted.must),
        should=_conditions(wanted.should),
        must_not=_conditions(wanted.must_not),
        min_should=_min_should(wanted.min_should) if wanted.HasField("min_should") else None,
    )


def _conditions(conditions: Iterable[pb.Condition]) -> list[Any] | None:
    # None, not []: an empty list of alternatives must not mean that nothing matches.
    return [_condition(condition) for condition in conditions] or None


def _min_should(wanted: pb.MinShould) -> edge.MinShould:
    return edge.MinShould([_condition(condition) for condition in wanted.conditions], wanted.min_count)


def _condition(condition: pb.Condition) -> Any:
    match condition.WhichOneof("condition_one_of"):
        case "field":
            return _field(condition.field)
        case "filter":
            return edge_filter(condition.filter) or edge.Filter()
        case "nested":
            inner = edge_filter(condition.nested.filter) or edge.Filter()
            return edge.NestedCondition(condition.nested.key, inner)
        case "has_id":
            return edge.HasIdCondition(set(edge_ids(condition.has_id.has_id)))
        case "is_empty":
            return edge.IsEmptyCondition(condition.is_empty.key)
        case "is_null":
            return edge.IsNullCondition(condition.is_null.key)
        case other:
            raise Unsupported(f"Condition.{other} is not served by the embedded Qdrant.")


def _field(condition: pb.FieldCondition) -> edge.FieldCondition:
    asked = [field.name for field, _ in condition.ListFields() if field.name != "key"]
    match asked:
        case ["match"]:
            return edge.FieldCondition(condition.key, match=_match(condition.match))
        case ["range"]:
            return edge.FieldCondition(condition.key, range=_range(condition.range))
        case ["is_empty"]:
            return edge.FieldCondition(condition.key, is_empty=condition.is_empty)
        case ["is_null"]:
            return edge.FieldCondition(condition.key, is_null=condition.is_null)
        case []:
            raise InvalidRequest(f"The condition on `{condition.key}` asks for nothing.")
        case _:
            raise Unsupported(f"FieldCondition with {' and '.join(asked)} is not served by the embedded Qdrant.")


def _match(wanted: pb.Match) -> Any:
    kind = wanted.WhichOneof("match_value")
    match kind:
        case "keyword" | "integer":
            return edge.MatchValue(getattr(wanted, kind))
        case "boolean":
            # Edge 0.9 reads Python's bool as the integer it also is, which matches nothing; numpy's is none.
            # Imported here, since only such a filter is worth the memory.
            from numpy import bool_

            return edge.MatchValue(bool_(wanted.boolean))  # type: ignore[arg-type]
        case "keywords":
            return edge.MatchAny(list(wanted.keywords.strings))
        case "integers":
            return edge.MatchAny(list(wanted.integers.integers))
        case "except_keywords":
            return edge.MatchExcept(list(wanted.except_keywords.strings))
        case "except_integers":
            return edge.MatchExcept(list(wanted.except_integers.integers))
        case _:
            raise Unsupported(f"Match.{kind} is not served by the embedded Qdrant.")


def _range(wanted: pb.Range) -> edge.RangeFloat:
    return edge.RangeFloat(**{field.name: value for field, value in wanted.ListFields()})
