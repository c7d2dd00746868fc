"""Chat completions of the built-in model: text, a tool call, or a document that fits a schema."""

from __future__ import annotations

from app.local import prose, structured
from app.local.answer import Answer, Choice, Form, completion, limited
from app.local.messages import Conversation, conversation
from app.local.payload import JSON, integer, refuse_what_is_not_done
from app.local.prose import key


def answer(payload: JSON) -> Answer:
    """The chat completion: whole, or a stream if the payload asks for one."""
    refuse_what_is_not_done(payload, "logprobs", "functions", "function_call", "audio", "web_search_options")
    chat = conversation(payload)
    return completion(payload, FORM, chat.tokens, _choices(payload, chat))


def _choices(payload: JSON, chat: Conversation) -> list[Choice]:
    """`n` choices, decided by the messages, the seed and the choice's index, and by nothing else."""
    number = integer(payload, "n", 1, 128) or 1
    most = integer(payload, "max_completion_tokens", 1) or integer(payload, "max_tokens", 1)
    variety = key(payload["messages"], payload.get("seed"))
    if call := structured.forced_call(payload):
        return [_called(index, call, variety, most) for index in range(number)]
    made = structured.document(payload)
    texts = (prose.reply(chat, variety, index) if made is None else made for index in range(number))
    return [limited(index, text, payload, most) for index, text in enumerate(texts)]


def _called(index: int, call: tuple[str, str], variety: str, most: int | None) -> Choice:
    """A call of a tool. Stop strings are for text: they do not cut arguments.

    It ends with "tool_calls" where OpenAI's says "stop" if the tool was forced by name: clients expect it.
    """
    name, arguments = call
    choice = limited(index, arguments, {}, most)
    reason = "length" if choice.finish_reason == "length" else "tool_calls"
    return Choice(index, choice.tokens, reason, (f"call_local_{key(variety, name, index)}", name))


def _entry(choice: Choice) -> JSON:
    message: JSON = {"role": "assistant", "content": None if choice.tool else choice.text, "refusal": None}
    if choice.tool:
        message["tool_calls"] = [_call(choice.tool, choice.text)]
    return {"index": choice.index, "message": message, "logprobs": None, "finish_reason": choice.finish_reason}


def _first(choice: Choice) -> JSON:
    """The first delta: the role and, for a tool call, its id and name, which come once."""
    if not choice.tool:
        return _delta(choice, {"role": "assistant", "content": "", "refusal": None})
    return _delta(
        choice, {"role": "assistant", "content": None, "tool_calls": [{"index": 0, **_call(choice.tool, "")}]}
    )


def _token(choice: Choice, token: str) -> JSON:
    call = {"tool_calls": [{"index": 0, "function": {"arguments": token}}]}
    return _delta(choice, call if choice.tool else {"content": token})


def _call(tool: tuple[str, str], arguments: str) -> JSON:
    return {"id": tool[0], "type": "function", "function": {"name": tool[1], "arguments": arguments}}


def _delta(choice: Choice, delta: JSON, finish_reason: str | None = None) -> JSON:
    return {"index": choice.index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


FORM = Form(
    name="chat.completion",
    chunk="chat.completion.chunk",
    id="chatcmpl",
    entry=_entry,
    first=_first,
    token=_token,
    end=lambda choice: _delta(choice, {}, choice.finish_reason),
)
