"""Values made from a JSON Schema by construction: of each type what its keywords ask for, the plainest first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from functools import partial
from itertools import chain, count, islice
from math import ceil, floor
from typing import Any

from app.local.json_schema import patterns
from app.local.json_schema.document import STEPS, Document, Inside, Place, Unmet, item, member, verdicts
from app.local.json_schema.keywords import FORMATS, KEYWORDS, REFUSED, TYPES, Json, Schema, key, types

MOST = 1000
"""Items of an array, properties of an object, and numbers and texts that are tried."""
LONGEST = 10_000
"""Characters of a text."""
DEEPEST = 100
"""Keys that lead to a value."""
ROOMY = 8
"""Of those, down to how many an object has properties that it need not have."""

Node = dict[str, Any]


class Maker:
    """Makes values for the parts of a document; each method raises Unmet at the first value if there is none."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.makers: dict[str, Callable[[Node, Place, Inside], Iterable[Json]]] = {
            "string": self._texts,
            "object": self._objects,
            "integer": partial(self._numbers, True),
            "number": partial(self._numbers, False),
            "boolean": lambda *_: (True, False),
            "array": self._arrays,
            "null": lambda *_: (None,),
        }

    def values(self, schema: Schema, place: Place, inside: Inside) -> Iterator[Json]:
        """Values that fit the schema, mostly different ones."""
        if len(place) > DEEPEST:
            raise Unmet(place, "it nests too deep")
        node, inside = self.document.flat(schema, place, inside)
        problems, found = [], False
        for attempt in self._attempts(node, place, inside):
            try:
                for value in attempt:
                    found = True
                    yield value
            except Unmet as problem:  # noqa: PERF203  # A few branches, each of which may fail.
                problems.append(problem)
        if not found:
            none = Unmet(place, "type: there is none that it could be of")
            raise max(problems, key=lambda problem: len(problem.place), default=none)

    def _attempts(self, node: Node, place: Place, inside: Inside) -> Iterator[Iterable[Json]]:
        """By each branch, or the listed ones, or the default and those of each type: the values."""
        if node["allOf"]:
            ((word, branches),) = node["allOf"][0].items()
            yield from (self._branch(node, word, index, (place, inside)) for index in range(len(branches)))
        elif "enum" in node:
            rest = {word: said for word, said in node.items() if word != "enum"}
            yield _some(
                (value for value in node["enum"] if self._fits(value, rest)),
                Unmet(place, "enum: none of its values surely fits what else is said"),
            )
        else:
            default = node.get("default")
            if isinstance(default, (str, int, float)) and self._fits(default, node):
                yield (default,)
            hinted = {KEYWORDS[word].limits for word in node if word in KEYWORDS}
            for kind in sorted(types(node.get("type", list(TYPES))), key=lambda kind: kind not in hinted):
                yield self._of_type(kind, node, place, inside)

    def _fits(self, value: Json, node: Node) -> bool:
        """Whether the value surely fits."""
        self.document.spend(len(node))
        return all(verdicts(value, node))

    def _branch(self, node: Node, word: str, index: int, where: tuple[Place, Inside]) -> Iterator[Json]:
        """Values by one branch of the first `anyOf` or `oneOf`; of a `oneOf`, such as surely fit no other branch."""
        (first, *rest), place = node["allOf"], where[0]
        branches = first[word]
        others = branches[:index] + branches[index + 1 :] if word == "oneOf" else ()
        values = self.values({**node, "allOf": [branches[index], *rest]}, *where)
        alone = (
            value
            for value in islice(values, MOST)
            if all(self.document.rejects(value, other, place) for other in others)
        )
        return _some(alone, Unmet(place, "oneOf: no value was found that surely fits one branch and no other"))

    def _of_type(self, kind: str, node: Node, place: Place, inside: Inside) -> Iterator[Json]:
        refused = [word for word in node if word in REFUSED and REFUSED[word] in (None, kind)]
        if not refused:
            yield from self.makers[kind](node, place, inside)
        elif any(REFUSED[word] != "object" for word in refused) or node.get("required") or node.get("minProperties"):
            raise Unmet(place, f"the built-in model cannot meet {refused[0]}")
        else:
            yield {}  # What they say is about the properties that there are.

    def _texts(self, node: Node, place: Place, inside: Inside) -> Iterator[str]:
        least, most = ceil(node.get("minLength", 0)), min(floor(node.get("maxLength", LONGEST)), LONGEST)
        if least > most:
            raise Unmet(place, f"minLength: {least} is above {most}, which is maxLength or the most that is made")
        texts = islice(self._candidates(node, place, least, most), MOST)
        said = " and ".join(word for word in ("pattern", "format", "minLength", "maxLength") if word in node)
        fits = (text for text in texts if least <= len(text) <= most)
        return _some(fits, Unmet(place, f"{said}: found no such text"))

    def _candidates(self, node: Node, place: Place, least: int, most: int) -> Iterator[str]:
        """Texts of the format or pattern, or "text", "text 2", ...; the caller looks at their length."""
        if node.get("format") in FORMATS:
            if "pattern" in node:
                raise Unmet(place, "the built-in model cannot meet a pattern beside a format")
            yield from (FORMATS[node["format"]].format(number) for number in range(1, 29))
        elif "pattern" in node:
            try:
                for text in patterns.texts(node["pattern"], least):
                    self.document.spend(len(node["pattern"]))
                    yield text
            except ValueError as problem:
                raise Unmet(place, f"pattern: {problem}") from None
        else:
            yield "text"[:most].ljust(least, ".")
            yield from ((f"text {number}" if most > 7 else f"{number}").ljust(least, ".") for number in count(2))

    def _numbers(self, whole: bool, node: Node, place: Place, inside: Inside) -> Iterator[float]:
        fits = (number for number in _numbers(node, whole) if self._fits(number, node))
        said = [word for word in node if word in KEYWORDS and KEYWORDS[word].limits == "number"]
        return _some(fits, Unmet(place, f"{' and '.join(said)}: found no such number"))

    def _objects(self, node: Node, place: Place, inside: Inside) -> Iterator[dict[str, Json]]:
        least, most = _sizes(node, "Properties", place)
        required = node.get("required", ())
        made = {name: next(self._property(name, node, place, inside)) for name in required}
        for name in self._optional(node, place):
            if name not in made and len(made) < most:
                with suppress(Unmet):
                    made[name] = next(self._property(name, node, place, inside))
        for name in self._spare(node, place, inside) if len(made) < least else ():
            made[name] = next(self.values(member(node, name), (*place, "properties", name), inside))
            if len(made) >= least:
                break
        if not least <= len(made) <= most:
            raise Unmet(place, f"minProperties and maxProperties: there are {len(made)} properties")
        yield {name: made[name] for name in dict.fromkeys((*node.get("properties", ()), *made)) if name in made}
        yield {name: made[name] for name in (required if len(required) >= least else made)}
        for name in made:
            others = self.values(member(node, name), (*place, "properties", name), inside)
            yield from ({**made, name: other} for other in islice(others, 1, MOST))

    def _optional(self, node: Node, place: Place) -> list[str]:
        """Properties that need not be there: all of them near the root; further down those that tell branches apart."""
        near = len(place) < ROOMY and self.document.steps > STEPS // 2
        said = node.get("properties", {})
        return [name for name in said if near or (isinstance(said[name], dict) and "const" in said[name])]

    def _spare(self, node: Node, place: Place, inside: Inside) -> Iterator[str]:
        """Names for properties that nobody named."""
        return self.values({"type": "string", "allOf": [node.get("propertyNames", True)]}, place, inside)

    def _property(self, name: str, node: Node, place: Place, inside: Inside) -> Iterator[Json]:
        names, _ = self.document.flat(node.get("propertyNames", True), place, inside)
        if not self._fits(name, names):
            raise Unmet(place, f"propertyNames: {name!r} does not surely fit")
        return self.values(member(node, name), (*place, "properties", name), inside)

    def _arrays(self, node: Node, place: Place, inside: Inside) -> Iterator[list[Json]]:
        least, most = _sizes(node, "Items", place)
        made: list[Json] = []
        try:
            for value in self._items(node, place, inside):
                if len(made) >= min(most, max(least, 1, len(node.get("prefixItems", ())))):
                    break
                made.append(value)
        except Unmet:
            if len(made) < least:
                raise
        yield made

    def _items(self, node: Node, place: Place, inside: Inside) -> Iterator[Json]:
        """Items without end, different ones if they must be."""
        seen, prefixed = set(), len(node.get("prefixItems", ()))
        for index in count():
            if index <= prefixed or not node.get("uniqueItems"):
                source = self.values(item(node, index), (*place, "items"), inside)
            fresh = (value for value in source if not (node.get("uniqueItems") and key(value) in seen))
            value = next(_some(fresh, Unmet((*place, "items"), f"uniqueItems: there are but {index} different ones")))
            seen.add(key(value))
            yield value


def _some(values: Iterable[Json], problem: Unmet) -> Iterator[Json]:
    """The values; the problem, if there are none."""
    found = False
    for value in values:
        found = True
        yield value
    if not found:
        raise problem


def _sizes(node: Node, what: str, place: Place) -> tuple[int, int]:
    """The least and the most items or properties."""
    least, most = ceil(node.get(f"min{what}", 0)), min(floor(node.get(f"max{what}", MOST)), MOST)
    if least > most:
        raise Unmet(place, f"min{what}: {least} is above {most}, which is max{what} or the most that are made")
    return least, most


def _numbers(node: Node, whole: bool) -> Iterator[float]:
    """Within the bounds: the first step of the grid, numbers between whole ones where those are allowed, the grid."""
    low = max((Fraction(str(node[word])) for word in ("minimum", "exclusiveMinimum") if word in node), default=None)
    high = min((Fraction(str(node[word])) for word in ("maximum", "exclusiveMaximum") if word in node), default=None)
    step = Fraction(str(node.get("multipleOf", 1)))
    step = Fraction(step.numerator) if whole else step
    first = min(1, floor(high / step)) if high is not None else 1
    first, towards = (first, -1 if high is not None else 1) if low is None else (ceil(low / step), 1)
    grid = (step * (first + index * towards) for index in range(MOST))
    bottom = low if low is not None else Fraction(0) if high is None else high - 1
    span = (bottom + 1 if high is None else high) - bottom
    between = [bottom + span * part / 64 for part in (32, *range(65))] if not whole and "multipleOf" not in node else []
    for number in chain(islice(grid, 1), between, grid):
        if abs(number) < 2**63:
            yield int(number) if number.denominator == 1 else float(number)
