"""JSON Schema, for the built-in model: `example(schema)` makes a value that fits, or says what it cannot meet.

Values are made by construction from what schemas of structured outputs and tools say; what goes further is refused
by name. Work is counted, and patterns are never matched: no schema can hold a worker.
"""

from __future__ import annotations

from app.local.json_schema.document import Document, Hopeless, NoExample
from app.local.json_schema.keywords import Json, Schema
from app.local.json_schema.values import Maker

__all__ = ["NoExample", "example"]


def example(schema: Schema) -> Json:
    """A value that fits the schema, the same every time; NoExample, which knows the place and the keyword."""
    try:
        document = Document(schema)
        return next(Maker(document).values(document.root, (), frozenset({"#"})))
    except RecursionError:  # Places, references and steps each have a limit; all at once may still be too much.
        raise Hopeless((), "it nests too deep") from None
