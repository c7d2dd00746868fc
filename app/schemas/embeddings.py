"""The payload of an `llm/v1/embeddings` endpoint (OpenAI, "Create embeddings")."""

from __future__ import annotations

from typing import Any

from marshmallow import INCLUDE, Schema, ValidationError

from app.schemas.fields import Exactly, StringOrListOf, text_or_tokens


class EncodingFormat(Exactly):
    """`float` or `base64`."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if value not in ("float", "base64"):
            raise ValidationError("Input should be 'float' or 'base64'")
        return value


class EmbeddingsSchema(Schema):
    """What to embed, and in which form the numbers come back."""

    class Meta:
        unknown = INCLUDE

    input = StringOrListOf(text_or_tokens, at_least=1, required=True)
    encoding_format = EncodingFormat("a string")
    dimensions = Exactly("an integer", least=1)
    user = Exactly("a string")
