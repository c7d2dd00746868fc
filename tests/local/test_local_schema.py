"""Values made from JSON Schemas: judged by the jsonschema package."""

from __future__ import annotations

import jsonschema
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from app.local.json_schema import NoExample, example


def fits(value, schema):
    checker = jsonschema.FormatChecker()
    return jsonschema.Draft202012Validator(schema, format_checker=checker).is_valid(value)


NODE = {
    "type": "object",
    "properties": {"value": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
    "required": ["value", "next"],
}
INTEGERS = {"type": "array", "items": {"type": "integer"}}

POSSIBLE = [
    True,
    {},
    {"type": ["null", "string"]},
    {"const": {"a": [1, None]}},
    {"enum": [3, "x"], "type": "string"},
    {"type": "string", "default": 5},
    {"type": "integer", "default": 5, "maximum": 3},
    {"type": "string", "minLength": 7, "maxLength": 7},
    {"type": "string", "pattern": "^[A-Z]{3}-\\d{4}$"},
    {"type": "string", "pattern": "^(\\+\\d{1,3})?[0-9]{7,}$", "minLength": 12},
    {"type": "string", "pattern": "^[^@\\s]+@[^@\\s]+\\.(com|org)$"},
    *({"type": "string", "format": name} for name in ("date", "date-time", "email", "uuid", "uri", "ipv4", "ipv6")),
    {"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5},
    {"type": "integer", "minimum": -7, "maximum": -5, "multipleOf": 3},
    {"type": "number", "minimum": 0.25, "maximum": 0.45, "multipleOf": 0.1},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.001},
    {**INTEGERS, "minItems": 30, "uniqueItems": True},
    {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "uniqueItems": True},
    {"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 3, "uniqueItems": True},
    {"type": "array", "prefixItems": [{"type": "string"}, {"type": "null"}], "items": False, "minItems": 2},
    {"type": "array", "items": False},
    {"type": "object", "minProperties": 3, "additionalProperties": {"type": "integer"}},
    {"type": "object", "propertyNames": {"pattern": "^[a-z]_\\d$"}, "minProperties": 2},
    {"patternProperties": {"^x-": {"type": "null"}}, "additionalProperties": False, "minProperties": 2},
    {"type": "object", "maxProperties": 1, "properties": {"a": {}, "b": {}}, "required": ["b"]},
    {"type": "object", "required": ["x/y~z"]},
    {"allOf": [{"required": ["a"]}, {"properties": {"a": {"const": 1}}}], "type": "object"},
    {"oneOf": [{"required": ["a"]}, {"required": ["b"]}], "type": "object", "properties": {"a": {}, "b": {}}},
    {"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "integer"}}},
    {"$ref": "#/definitions/x", "definitions": {"x": {"$ref": "#/definitions/y"}, "y": {"const": 2}}},
    {"$ref": "#/$defs/node", "$defs": {"node": NODE}},
    {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#"}}}, "required": ["kids"]},
]
for _levels in range(9):
    POSSIBLE.append({"type": "object", "properties": {"in": POSSIBLE[-1] if _levels else NODE}, "required": ["in"]})
    POSSIBLE[-1]["$defs"] = {"node": NODE}


@pytest.mark.parametrize("schema", POSSIBLE, ids=str)
def test_the_example_fits(schema):
    assert fits(example(schema), schema)


@pytest.mark.parametrize("schema", POSSIBLE, ids=str)
def test_the_example_is_the_same_every_time(schema):
    assert example(schema) == example(schema)


IMPOSSIBLE = [
    (False, ()),
    ({"type": "frog"}, ("type",)),
    ({"properties": []}, ("properties",)),
    ({"anyOf": []}, ("anyOf",)),
    ({"properties": {"a": 3}}, ("properties", "a")),
    ({"properties": {"a": {"minLength": -1}}}, ("properties", "a", "minLength")),
    ({"$ref": "https://example.com/schema"}, ("$ref",)),
    ({"items": {"$ref": "#/$defs/none"}}, ("items", "$ref")),
    ({"type": "string", "minLength": 3, "maxLength": 2}, ()),
    ({"type": "string", "minLength": 10**9}, ()),
    ({"type": "array", "minItems": 10**9}, ()),
    ({"type": "object", "minProperties": 10**9}, ()),
    ({"type": "integer", "minimum": 1e300}, ()),
    ({"type": "object", "properties": {"a": {"enum": []}}, "required": ["a"]}, ("properties", "a")),
    (
        {"type": "object", "properties": {"a": {"pattern": "(?=x)x", "type": "string"}}, "required": ["a"]},
        ("properties", "a"),
    ),
    ({"type": "array", "minItems": 2, "items": {"type": "null"}, "uniqueItems": True}, ("items",)),
    ({"allOf": [{"$ref": "#"}]}, ()),
    ({"allOf": [{"type": "string"}, {"type": "integer"}]}, ()),
]


@pytest.mark.parametrize(("schema", "place"), IMPOSSIBLE, ids=str)
def test_a_schema_that_nothing_fits_is_refused_at_its_place(schema, place):
    with pytest.raises(NoExample) as refused:
        example(schema)
    assert refused.value.place == place
    assert refused.value.reason


def deep(levels):
    schema = {}
    for _ in range(levels):
        schema = {"not": schema}
    return schema


ENDLESS = [
    {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
    {"anyOf": [{"$ref": "#"}, {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}]},
    {"not": {"$ref": "#"}},
    {"allOf": [{"anyOf": [{"minimum": low} for low in range(30)]}] * 30 + [{"enum": ["x"], "type": "integer"}]},
    {"enum": ["a" * 999] * 2000, "pattern": "^((a+)+)+b$"},
    {"type": "string", "pattern": "((((a{1000}){1000}){1000}){1000})"},
    {"type": "string", "pattern": "(" * 900 + ")" * 900},
    deep(400),
    {"$ref": "#/$defs/0", "$defs": {str(n): {"$ref": f"#/$defs/{n + 1}"} for n in range(3000)} | {"3000": {}}},
    {"allOf": [{"properties": dict.fromkeys(map(str, range(20_000)), True)}, *[{"required": ["1"]}] * 300]},
    {"oneOf": [{"$ref": "#/$defs/big"}] * 2000, "$defs": {"big": {"const": [[0] * 50_000]}}},
    {"const": [[[[[[[[[[[]]]]]]]]]]], "enum": [deep(300)]},
]


@pytest.mark.parametrize("schema", ENDLESS, ids=lambda schema: str(schema)[:60])
def test_a_schema_made_to_take_for_ever_is_refused(schema):
    with pytest.raises(NoExample):
        example(schema)


OBJECT = {"type": "object", "properties": {"a": {}}, "required": ["a"]}
NOT_MET = [
    ({"not": {"type": "string"}}, "not"),
    ({"if": {"type": "string"}, "then": {"minLength": 10}}, "if"),
    ({**INTEGERS, "contains": {"const": 7}}, "contains"),
    ({**OBJECT, "dependentRequired": {"a": ["b"]}}, "dependentRequired"),
    ({**OBJECT, "patternProperties": {"^a": {"type": "null"}}}, "patternProperties"),
    ({**OBJECT, "unevaluatedProperties": False}, "unevaluatedProperties"),
    ({**OBJECT, "propertyNames": {"pattern": "^b"}}, "propertyNames"),
    ({"type": "string", "format": "date", "pattern": "^2"}, "pattern"),
    ({"type": "string", "format": "date", "maxLength": 5}, "format"),
    ({"type": "string", "pattern": "^a{3}$", "minLength": 5}, "pattern"),
    ({"type": "string", "enum": ["a"], "pattern": "^a$"}, "enum"),
    ({"allOf": [{"pattern": "^a"}, {"pattern": "b$"}], "type": "string"}, "pattern"),
    ({"oneOf": [{"type": "integer"}, {"type": "integer", "minimum": -9}]}, "oneOf"),
    ({"type": "integer", "minimum": 5, "maximum": 3}, "minimum"),
]


@pytest.mark.parametrize(("schema", "keyword"), NOT_MET, ids=str)
def test_a_keyword_that_cannot_be_met_is_named_with_its_place(schema, keyword):
    with pytest.raises(NoExample, match=keyword) as refused:
        example({"type": "object", "properties": {"x": schema}, "required": ["x"]})
    assert refused.value.place == ("properties", "x")


def test_what_cannot_be_met_is_left_out_where_it_need_not_be_there():
    wanted = {"type": "object", "properties": {"a": {"not": {}}, "b": {"anyOf": [{"not": {}}, {"type": "null"}]}}}
    assert example(wanted) == {"b": None}


def test_a_default_is_taken_where_it_fits():
    assert example({"type": "integer", "default": 5}) == 5
    assert example({"type": "integer", "default": 5, "maximum": 3}) != 5


def test_one_branch_of_a_one_of_is_chosen_and_no_other_fits():
    kinds = [{"properties": {"kind": {"const": kind}}, "required": ["kind"]} for kind in ("cat", "dog")]
    assert example({"type": "object", "oneOf": kinds}) == {"kind": "cat"}


SIZES = st.integers(0, 4)
SCALARS = st.one_of(
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"type": "integer"}, {"type": "number"}, {}]),
    st.builds(lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more}, SIZES, SIZES),
    st.builds(
        lambda low, more, kind: {"type": kind, "minimum": low, "maximum": low + more},
        st.integers(-(10**12), 10**12),
        st.integers(0, 50),
        st.sampled_from(["integer", "number"]),
    ),
    st.builds(lambda values: {"enum": values}, st.lists(st.one_of(st.integers(), st.text()), min_size=1, max_size=4)),
    st.sampled_from([{"type": "string", "pattern": "^[a-f]{2,3}$"}, {"type": "string", "format": "date"}]),
)


def composed(inner):
    """Schemas that hold others and that something fits if something fits those."""
    names = st.dictionaries(st.sampled_from("abcdef"), inner, max_size=4)
    return st.one_of(
        st.builds(
            lambda held, last: {"type": "object", "properties": held, "required": sorted(held)[:last]}, names, SIZES
        ),
        st.builds(lambda held: {"type": "object", "properties": held, "additionalProperties": False}, names),
        st.builds(lambda one, least: {"type": "array", "items": one, "minItems": least}, inner, SIZES),
        st.builds(lambda parts: {"anyOf": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda one: {"allOf": [one, {}], "$comment": "x"}, inner),
    )


@given(st.recursive(SCALARS, composed, max_leaves=10))
@settings(deadline=None, max_examples=60)
def test_the_example_of_a_schema_that_something_fits_always_fits(schema):
    assert fits(example(schema), schema)


KEYWORDS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["string", "integer", "number", "object", "array", "null", ["string", "null"]]),
        "minimum": st.integers(-3, 3),
        "exclusiveMaximum": st.integers(-3, 9),
        "multipleOf": st.sampled_from([1, 2, 0.5, 0.1]),
        "minLength": SIZES,
        "maxLength": SIZES,
        "pattern": st.sampled_from(["^a", "b$", "^[0-9]+$", "a|b", "x{3}"]),
        "minItems": SIZES,
        "maxItems": SIZES,
        "uniqueItems": st.booleans(),
        "minProperties": SIZES,
        "maxProperties": SIZES,
        "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True),
        "enum": st.lists(st.one_of(st.integers(-3, 3), st.sampled_from(["", "a", "12"]), st.none()), max_size=3),
        "default": st.one_of(st.integers(), st.text()),
    },
)


def mixed(inner):
    one, few = inner, st.lists(inner, min_size=1, max_size=3)
    return st.builds(
        lambda base, more: {**base, **more},
        KEYWORDS,
        st.fixed_dictionaries(
            {},
            optional={
                **dict.fromkeys(("not", "if", "then", "else", "items", "contains", "additionalProperties"), one),
                **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), few),
                "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
            },
        ),
    )


@given(st.recursive(KEYWORDS | st.booleans(), mixed, max_leaves=8))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
def test_whatever_comes_out_fits(schema):
    try:
        value = example(schema)
    except NoExample:
        assume(False)
    assert fits(value, schema)
