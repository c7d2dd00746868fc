"""JSON Schema: `example(schema)` makes a value that fits, the same for the same schema every time.

Values are made from what the keywords say and then checked against the schema as it was written (`schema_check`): what
comes out fits, or nothing comes out. References, `allOf`, `anyOf`, `oneOf` and `if` are spread into alternatives,
each a list of plain schemas that must hold together; the first alternative that yields a value wins.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from app.local import schema_parts as parts
from app.local import schema_scalars as scalars
from app.local.schema_check import Checker
from app.local.schema_shapes import Json, Place, Schema, TooIntricate, Unsatisfiable, same

__all__ = ["TooIntricate", "Unsatisfiable", "example"]

DEPTHS = (4, 8, 16, 32)
"""How deep values may nest, tried in turn: a recursive schema ends as soon as it can."""
ROOMY = 3
"""Down to this depth properties are made that need not be there."""
TRIES = 200
"""Values that are made for one place before giving up on it."""
EACH = 8
"""Of those, from each alternative and type in the first round."""
APPLICATORS = ("$ref", "allOf", "anyOf", "oneOf", "if")


def example(schema: Schema, kind: str | None = None) -> Json:
    """A value that fits `schema` and is of the type `kind` if one is named; raises Unsatisfiable, which knows where."""
    try:
        return _made(schema, schema if kind is None else {"allOf": [{"type": kind}, schema]})
    except RecursionError:  # Values, alternatives and checks each have a limit; all at once may still be too much.
        raise TooIntricate((), "it nests too deep") from None


def _made(root: Schema, schema: Schema) -> Json:
    checker = Checker(root)
    for depth in DEPTHS:
        maker = _Maker(checker, depth)
        for value in maker.values(schema, (), 0):
            return value
        if not maker.too_deep:
            break
    raise max(maker.complaints, key=lambda complaint: len(complaint.place))


class _Maker:
    """Makes values no deeper than `deepest`; remembers where it failed."""

    def __init__(self, checker: Checker, deepest: int) -> None:
        self.checker = checker
        self.deepest = deepest
        self.too_deep = False
        self.complaints: list[Unsatisfiable] = []

    def values(self, schema: Schema, place: Place, depth: int) -> Iterator[Json]:
        """Different values that fit; none, and a complaint, if there are none to be found."""
        found: list[Json] = []
        self.checker.spend()
        if depth > self.deepest:
            self.too_deep = True
            self.complaints.append(Unsatisfiable(place, f"it nests more than {self.deepest} levels deep"))
            return
        for value in islice(self._raw(schema, place, depth), TRIES):
            if self._fits(value, schema, place) and not any(same(value, other) for other in found):
                found.append(value)
                yield value
        if not found:
            self.complaints.append(Unsatisfiable(place, "no value was found that fits all of it"))

    def _fits(self, value: Json, schema: Schema, place: Place) -> bool:
        try:
            return self.checker.fits(value, schema)
        except TooIntricate:
            raise
        except Unsatisfiable as problem:
            self.complaints.append(Unsatisfiable(place, problem.reason))
            return False

    def _raw(self, schema: Schema, place: Place, depth: int) -> Iterator[Json]:
        """Values that may fit: some of each alternative and type, and then the rest of each."""
        begun = []
        for values in self._sources(schema, place, depth):
            begun.append(values)
            yield from islice(values, EACH)
        yield from chain.from_iterable(begun)

    def _sources(self, schema: Schema, place: Place, depth: int) -> Iterator[Iterator[Json]]:
        for together in self._alternatives(schema, ()):
            if any("enum" in one or "const" in one for one in together):
                yield parts.listed(together)
                continue
            yield parts.suggested(together)
            yield from (self._of_kind(kind, together, place, depth) for kind in scalars.kinds(together))

    def _of_kind(self, kind: str, together: list[dict[str, Any]], place: Place, depth: int) -> Iterator[Json]:
        try:
            if kind == "object":
                yield from self._objects(together, place, depth)
            elif kind == "array":
                yield from self._arrays(together, place, depth)
            else:
                yield from scalars.VALUES[kind](together)
        except scalars.Impossible as problem:
            self.complaints.append(Unsatisfiable(place, str(problem)))

    def _alternatives(self, schema: Schema, inside: tuple[str, ...]) -> Iterator[list[dict[str, Any]]]:
        """Every way to satisfy a schema: each a list of schemas without applicators that must hold together."""
        self.checker.spend()
        if isinstance(schema, bool):
            if schema:
                yield [{}]
            return
        groups = list(self._groups(schema, inside))
        yield from self._product([[[{key: schema[key] for key in schema if key not in APPLICATORS}]], *groups])

    def _groups(self, schema: dict[str, Any], inside: tuple[str, ...]) -> Iterator[Any]:
        """What must hold beside a schema's own keywords, each as its alternatives (made only as they are needed)."""
        if "$ref" in schema:
            reference = schema["$ref"]
            target = False if reference in inside else self.checker.resolve(reference)
            yield _Lazy(self, [target], (*inside, reference))
        yield from (_Lazy(self, [part], inside) for part in schema.get("allOf", []))
        yield from (_Lazy(self, schema[key], inside) for key in ("anyOf", "oneOf") if key in schema)
        if "if" in schema:
            then = {"allOf": [schema["if"], schema.get("then", True)]}
            yield _Lazy(self, [then, schema.get("else", True)], inside)

    def _product(self, groups: list[Any]) -> Iterator[list[dict[str, Any]]]:
        if not groups:
            yield []
            return
        for first in groups[0]:
            for rest in self._product(groups[1:]):
                yield [*first, *rest]

    def _first(self, schema: Schema, place: Place, depth: int) -> list[Json]:
        """A value in a list, or an empty list and no complaint: for what need not be there."""
        before = len(self.complaints)
        found = list(islice(self.values(schema, place, depth), 1))
        del self.complaints[before:]
        return found

    def _objects(self, together: list[dict[str, Any]], place: Place, depth: int) -> Iterator[Json]:
        required = parts.required_names(together)
        named = list(dict.fromkeys(chain.from_iterable(one.get("properties", {}) for one in together)))
        least = max((one.get("minProperties", 0) for one in together), default=0)
        most = min((one["maxProperties"] for one in together if "maxProperties" in one), default=parts.MOST_ITEMS)
        needed = self._required(together, required, place, depth)
        if needed is None:
            return
        before = len(self.complaints)
        made = dict(needed)
        roomy = depth < ROOMY and self.checker.has_room
        for name in chain(named, parts.spare_names(together, least)):
            if name not in made and len(made) < most and (len(made) < least or (roomy and name in named)):
                for value in self._first(
                    parts.property_schema(together, name), (*place, "properties", name), depth + 1
                ):
                    made[name] = value
        ordered = {name: made[name] for name in [*named, *made] if name in made}
        yield from (ordered, needed)
        yield from self._varied(together, ordered, place, depth)
        del self.complaints[before:]

    def _required(
        self, together: list[dict[str, Any]], required: list[str], place: Place, depth: int
    ) -> dict[str, Json] | None:
        """A value for each required property; None if one has none."""
        made = {}
        for name in required:
            values = self.values(parts.property_schema(together, name), (*place, "properties", name), depth + 1)
            value = list(islice(values, 1))
            if not value:
                return None
            made[name] = value[0]
        return made

    def _varied(
        self, together: list[dict[str, Any]], made: dict[str, Json], place: Place, depth: int
    ) -> Iterator[Json]:
        """The object with another value for one of its properties, or without it."""
        for name in made:
            others = self.values(parts.property_schema(together, name), (*place, "properties", name), depth + 1)
            yield from ({**made, name: value} for value in islice(others, 1, 8))
            yield {key: value for key, value in made.items() if key != name}

    def _arrays(self, together: list[dict[str, Any]], place: Place, depth: int) -> Iterator[Json]:
        least = max((one.get("minItems", 0) for one in together), default=0)
        most = min((one["maxItems"] for one in together if "maxItems" in one), default=parts.MOST_ITEMS)
        prefixed = max((len(parts.prefix_schemas(one)) for one in together), default=0)
        wanted = sum(one.get("minContains", 1) for one in together if "contains" in one)
        if max(least, wanted) > parts.MOST_ITEMS:
            raise scalars.Impossible(f"it has more than {parts.MOST_ITEMS} items, the most that are made")
        usual = max(least, prefixed, wanted, 1 if depth < ROOMY else 0)
        for count in dict.fromkeys((min(usual, most), least)):
            made = self._items(together, count, place, depth)
            if len(made) >= least:
                yield made
        yield from self._other_arrays(together, max(least, 1), place, depth)

    def _items(self, together: list[dict[str, Any]], count: int, place: Place, depth: int) -> list[Json]:
        """Up to `count` items, fewer if there are no more (different ones, where they must be)."""
        unique = any(one.get("uniqueItems") for one in together)
        made: list[Json] = []
        for index in range(count):
            schema = parts.item_schema(together, index)
            others = self.values(schema, (*place, "items"), depth + 1)
            fresh = (value for value in others if not unique or not any(same(value, old) for old in made))
            item = list(islice(fresh, 1))
            if not item:
                break
            made += item
        return made

    def _other_arrays(self, together: list[dict[str, Any]], count: int, place: Place, depth: int) -> Iterator[Json]:
        """Arrays of one item `count` times over, for each value of it: what else there is of them."""
        for value in islice(self.values(parts.item_schema(together, 0), (*place, "items"), depth + 1), 1, 8):
            rest = self._items(together, count, place, depth)[1:]
            yield [value, *rest]


class _Lazy:
    """The alternatives of several schemas, one after the other, made anew at each iteration."""

    def __init__(self, maker: _Maker, schemas: list[Schema], inside: tuple[str, ...]) -> None:
        self.maker = maker
        self.schemas = schemas
        self.inside = inside

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        return chain.from_iterable(self.maker._alternatives(schema, self.inside) for schema in self.schemas)
