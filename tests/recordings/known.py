"""Where the gateway's reading differs from the vendor's on purpose, or for a reason that is none of its own."""

from __future__ import annotations

DIFFERENCES: dict[tuple[str, str], str] = {
    ("mistral/chat-200-fin_stop+image+toolresult+tools-b5f30d", "usage"): (
        "Mistral's older answers say `num_cached_tokens`, which its SDK does not read and the gateway does"
    ),
    ("openai/chat-stream-200-fin_tool_calls+toolcall+tools-93e67b", "tools"): (
        "a stand-in for OpenAI says null for no arguments; what comes from `openai` is passed on as it is"
    ),
}
"""(recording, aspect) -> why they differ."""

NOT_STRICT: dict[str, str] = {
    "openai/completions-stream-200-fin_length-54030a": (
        "the SDK's type of a streamed completion has no null for `finish_reason`; OpenAI sends it all the same"
    ),
}
"""Recording -> why OpenAI's SDK refuses the answer in strict mode."""
