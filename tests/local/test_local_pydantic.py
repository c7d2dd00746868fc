"""Values made from the schemas of pydantic models, as structured outputs send them: pydantic reads them."""

from __future__ import annotations

import enum
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal
from uuid import UUID

import jsonschema
import pytest
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, TypeAdapter

from app.local.json_schema import example


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Rank(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Cat(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["cat"] = "cat"
    lives: Annotated[int, Field(ge=1, le=9)]


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str] = []


class Node(BaseModel):
    value: int
    next: Node | None
    children: list[Node] = []


class Add(BaseModel):
    op: Literal["+"]
    left: Number | Add
    right: Number | Add


class Number(BaseModel):
    value: float


class Contact(BaseModel):
    phone: Annotated[str, Field(pattern=r"^\+?\d{7,15}$", min_length=10)]
    code: Annotated[str, Field(pattern=r"^(?:[A-Z]{2}|x)-\d{3,}$", max_length=12)]
    email: Annotated[str, Field(json_schema_extra={"format": "email"})]
    site: AnyUrl
    host: IPv4Address | None = None


class Everything(BaseModel):
    """As deep and as mixed as a service's own model."""

    name: Annotated[str, Field(min_length=2, max_length=5, description="short")]
    nick: str | None
    colour: Colour
    rank: Rank = Rank.LOW
    counts: dict[str, int]
    by_colour: dict[Colour, list[float]]
    tags: Annotated[set[str], Field(min_length=3)]
    ids: Annotated[list[UUID], Field(min_length=2, max_length=4)]
    pair: tuple[int, str]
    flags: Annotated[frozenset[Colour], Field(min_length=2)]
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    pets: list[Cat | Dog]
    tree: Node
    sum: Add
    contact: Contact
    born: date
    made: datetime
    at: time
    lasts: timedelta
    share: Annotated[float, Field(gt=0, lt=1)]
    step: Annotated[int, Field(multiple_of=5, gt=12)]
    price: Decimal = Decimal(1)
    anything: Any = None
    mode: Literal["fast", "slow", 3, None] = "slow"


# Not "time", which jsonschema reads without the offset that RFC 3339 asks for.
FORMATS = jsonschema.FormatChecker(["date", "date-time", "email", "ipv4", "uuid"])


@pytest.mark.parametrize(
    "model", [Cat, Dog, Node, Add, Contact, Everything, list[Everything], dict[str, Cat], Cat | Dog]
)
def test_the_example_of_a_model_s_schema_is_a_value_of_the_model(model):
    schema = TypeAdapter(model).json_schema()
    value = example(schema)
    jsonschema.Draft202012Validator(schema, format_checker=FORMATS).validate(value)
    TypeAdapter(model).validate_python(value)
