"""MLflow's model server (`mlflow models serve`): everything goes to `POST /invocations`; nothing is streamed."""

from __future__ import annotations

from typing import Any

from app.dialects import JSON, Body, Translator, shapes, vectors
from app.dialects import conversation as said
from app.dialects.fields import Fields, texts, without_nones
from app.errors import Garbled

NAME = "MLflow's model server"

_MESSAGE_KEYS = ("role", "content", "name", "refusal", "tool_calls", "tool_call_id", "id", "attachments")
"""What a message may hold for a ChatModel and a ChatAgent: their schema refuses every other key."""


_FINISH_REASONS = ("stop", "length", "tool_calls", "content_filter", "function_call")


# --- chat


def chat_request(model: str | None, payload: JSON) -> Body:
    """The conversation as a ChatModel's schema has it: texts as strings, `stop` as a list, one name for the limit."""
    fields = Fields(payload)
    fields.take("stream", "stream_options")  # a server has one model, and streams nothing
    messages = fields.take("messages")
    said.check(messages)
    body = {
        "messages": [_message(message, ("messages", index)) for index, message in enumerate(messages)],
        "max_tokens": fields.take("max_completion_tokens", "max_tokens"),
        "stop": said.stops(fields.take("stop")),
        "tools": [
            tool if function is None else _tool(function, tool)
            for function, tool in said.functions(fields.take("tools"))
        ],
    }
    return Body({**{key: value for key, value in body.items() if value}, **fields.rest()}, tuple(fields.adjusted))


def one_text_request(model: str | None, payload: JSON) -> Body:
    """The same for a model that knows no conversations: its only message is its only input, as in MLflow's gateway."""
    fields = Fields(payload)
    fields.take("stream", "stream_options")
    message, *more = fields.take("messages")
    said.check([message])
    if more:
        raise said.refuse(("messages", 1), f"{NAME} is asked with one message where `chat_input` is inputs")
    return _inputs([said.text(message, ("messages", 0))], {"stop": said.stops(fields.take("stop")), **fields.rest()})


def _message(message: JSON, loc: said.Loc) -> JSON:
    """A message without what its schema does not know. Parts that are all text are one text; others go as they are."""
    content = message.get("content")
    if isinstance(content, list) and all(part["type"] == "text" for part in content):
        content = said.text(message, loc)
    return without_nones({**{key: message.get(key) for key in _MESSAGE_KEYS}, "content": content})


def _tool(function: JSON, tool: JSON) -> JSON:
    """The schema wants parameters even where there are none."""
    return {**tool, "function": {"parameters": {"type": "object", "properties": {}}, **function}}


@shapes.whole(NAME)
def chat_response(body: JSON) -> JSON:
    """The completion: a ChatModel answers in OpenAI's shape, a ChatAgent with messages, others with predictions."""
    if "predictions" in body:
        body = _predicted(body["predictions"])
    choices = shapes.mappings(body.get("choices")) or [
        {"message": _last(body), "finish_reason": body.get("finish_reason")}
    ]
    rest = {
        key: value
        for key, value in body.items()
        if key not in ("choices", "messages", "finish_reason", "usage", "created")
    }
    completion = {
        "id": shapes.text(rest.pop("id", None)) or shapes.made_id("chatcmpl", body),
        "object": "chat.completion",
        "model": shapes.text(rest.pop("model", None)) or None,
        "choices": [_choice(index, choice) for index, choice in enumerate(choices)],
        "usage": _usage(body.get("usage")),
    }
    rest.pop("object", None)
    before = shapes.mappings(body.get("messages"))[:-1]
    kept = {**rest, **({"messages": before} if before else {})}
    return {**completion, "provider_fields": {"mlflow": kept}} if kept else completion


def _predicted(predictions: Any) -> JSON:
    """What a model of another kind answered: a completion, or a text, or a list of one of them."""
    if isinstance(predictions, list) and len(predictions) == 1:
        predictions = predictions[0]
    if isinstance(predictions, str):
        return {"choices": [{"message": {"role": "assistant", "content": predictions}}]}
    if not isinstance(predictions, dict):
        raise Garbled(f"{NAME} should predict one answer to a conversation")
    return predictions


def _last(body: JSON) -> JSON:
    """The answer of a ChatAgent: the last of the messages that it wrote on the way there."""
    messages = shapes.mappings(body.get("messages"))
    if not messages:
        raise Garbled(f"{NAME}'s answer has neither choices, messages nor predictions")
    return messages[-1]


def _choice(index: int, choice: JSON) -> JSON:
    message = choice["message"]
    content, refusal = shapes.text(message.get("content")), shapes.text(message.get("refusal")) or None
    calls = shapes.mappings(message.get("tool_calls"))
    if message.get("content") is None and not calls and not refusal:
        raise TypeError("a message should have content or tool calls")
    told: JSON = {"role": "assistant", "content": content or (None if calls or refusal else ""), "refusal": refusal}
    reason = choice.get("finish_reason")
    if reason not in _FINISH_REASONS:
        reason = "tool_calls" if calls else "stop"
    if reason == "tool_calls" and not calls:
        raise TypeError("an answer that ends with tool calls should have some")
    if calls:
        told["tool_calls"] = [_tool_call(call) for call in calls]
    known = ("role", "content", "refusal", "tool_calls", "name", "id")
    more = {key: value for key, value in message.items() if key not in known and value is not None}
    return {
        "index": index,
        "message": {**more, **told},
        "finish_reason": reason,
        "logprobs": shapes.mapping(choice.get("logprobs")) or None,
    }


def _tool_call(call: JSON) -> JSON:
    function = call["function"]
    said_arguments = shapes.text(function.get("arguments")) or "{}"
    named = {"name": shapes.text(function["name"]), "arguments": said_arguments}
    return {"id": shapes.text(call["id"]), "type": "function", "function": named}


def _usage(counted: Any) -> JSON | None:
    if not (counted := shapes.mapping(counted)):
        return None
    prompt, completion = shapes.count(counted.get("prompt_tokens")), shapes.count(counted.get("completion_tokens"))
    total = shapes.count(counted.get("total_tokens")) or prompt + completion
    return {**counted, "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}


# --- completions and embeddings


def completions_request(model: str | None, payload: JSON) -> Body:
    """Prompts are the model's inputs; all the rest its parameters, of which it reads those that its signature names."""
    prompts = texts(payload, "prompt", NAME)
    fields = Fields(payload)
    fields.take("prompt", "stream", "stream_options")
    return _inputs(prompts, {"stop": said.stops(fields.take("stop")), **fields.rest()})


def embeddings_request(model: str | None, payload: JSON) -> Body:
    """Texts are the model's inputs; all the rest its parameters."""
    inputs = vectors.texts(payload, NAME)
    fields = Fields(payload)
    fields.take("input", "encoding_format")  # numbers come back as numbers; the gateway packs them
    return _inputs(inputs, fields.rest())


def _inputs(inputs: list[str], params: JSON) -> Body:
    params = without_nones(params)
    return Body({"inputs": inputs, "params": params} if params else {"inputs": inputs})


@shapes.whole(NAME)
def completions_response(body: JSON) -> JSON:
    """A text completion with a choice per prediction. Raises Garbled."""
    predictions = body["predictions"]
    if isinstance(predictions, dict):  # under `choices`, or under whatever the model's only output is called
        predictions = predictions["choices"] if "choices" in predictions else _only(predictions)
    return completion(predictions, body, NAME)


def completion(texts: Any, body: JSON, by: str) -> JSON:
    """A text completion of bare texts, a choice for each. Raises Garbled."""
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise Garbled(f"{by} should give a list of texts")
    choices = [
        {"index": index, "text": text, "logprobs": None, "finish_reason": "stop"} for index, text in enumerate(texts)
    ]
    head = {"id": shapes.made_id("cmpl", body), "object": "text_completion", "model": None}
    return {**head, "choices": choices, "usage": None}


@shapes.whole(NAME)
def embeddings_response(body: JSON) -> JSON:
    """OpenAI's list of embeddings. A model may give the vector of its only input without a list around it."""
    predictions = body["predictions"]
    if not isinstance(predictions, list) or not predictions:
        raise Garbled(f"{NAME} should predict a list of vectors")
    lone = all(isinstance(number, (int, float)) for number in predictions)
    return vectors.response([predictions] if lone else predictions, None, None)


def _only(predictions: JSON) -> Any:
    (value,) = predictions.values()
    return value


TRANSLATORS = {
    "llm/v1/chat": Translator("invocations", chat_request, chat_response),
    "llm/v1/completions": Translator("invocations", completions_request, completions_response),
    "llm/v1/embeddings": Translator("invocations", embeddings_request, embeddings_response),
}
"""Endpoint type -> translator. None can stream."""

CHAT_OF_ONE_TEXT = Translator("invocations", one_text_request, chat_response)
"""`llm/v1/chat` with a model that takes a text."""
