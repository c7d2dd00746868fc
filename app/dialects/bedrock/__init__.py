"""Amazon Bedrock: Converse and ConverseStream, and the embeddings that InvokeModel gives."""

from __future__ import annotations

from app.dialects import Translator
from app.dialects.bedrock import embeddings
from app.dialects.bedrock.event_stream import Decoder
from app.dialects.bedrock.reasoning import is_adaptive
from app.dialects.bedrock.refusal import error_type
from app.dialects.bedrock.request import request
from app.dialects.bedrock.response import response
from app.dialects.bedrock.stream import stream

__all__ = ["CHAT", "COHERE_EMBED", "TITAN", "Decoder", "error_type", "is_adaptive"]

CHAT = Translator(
    "model/{model}/converse",
    request,
    response,
    stream,
    stream_path="model/{model}/converse-stream",
    decoder=Decoder,
    wants_bytes=True,
)
"""`llm/v1/chat`, whole and in pieces. A stream is binary: it is read by this package's Decoder."""

TITAN = Translator("model/{model}/invoke", embeddings.titan_request, embeddings.titan_response, batch=1)
"""`llm/v1/embeddings` of Amazon's Titan models."""

COHERE_EMBED = Translator("model/{model}/invoke", embeddings.cohere_request, embeddings.cohere_response, batch=96)
"""`llm/v1/embeddings` of Cohere's models on Bedrock."""
