"""What chat and completions payloads have in common."""

from __future__ import annotations

from marshmallow import INCLUDE, Schema

from app.schemas.fields import Exactly, StringOrListOf, a_string


class SamplingSchema(Schema):
    """How a model is to choose its words. A key that stands nowhere here is passed on unread."""

    class Meta:
        unknown = INCLUDE

    temperature = Exactly("a number", least=0, most=2)
    top_p = Exactly("a number", least=0, most=1)
    top_k = Exactly("an integer")
    n = Exactly("an integer", least=1)
    stop = StringOrListOf(a_string)
    presence_penalty = Exactly("a number", least=-2, most=2)
    frequency_penalty = Exactly("a number", least=-2, most=2)
    seed = Exactly("an integer")
    stream = Exactly("a boolean")
    stream_options = Exactly("an object")
    logit_bias = Exactly("an object")
    user = Exactly("a string")
