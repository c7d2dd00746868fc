"""How each provider words that a prompt is too long or not allowed: whole sentences, as they were seen."""

from __future__ import annotations

import pytest

from app.config import Policy
from app.failover.retry import Verdict, is_content_policy, is_context_length, is_failure, verdict
from tests.failover.making import refused

TOO_LONG = {
    "openai": (
        400,
        "This model's maximum context length is 4097 tokens. However, your messages resulted in 7575 tokens. Please "
        "reduce the length of the messages.",
    ),
    "openai, responses": (400, "Your input exceeds the context window of this model. Please adjust your input."),
    "openai, gpt-5": (400, "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 3e5."),
    "openai, completions": (
        400,
        "This model's maximum context length is 2049 tokens, however you requested 2054 tokens (2049 in your prompt; 5 "
        "for the completion). Please reduce your prompt; or completion length.",
    ),
    "anthropic": (400, "prompt is too long: 213462 tokens > 200000 maximum"),
    "anthropic, with the answer": (
        400,
        "input length and `max_tokens` exceed context limit: 90402 + 116650 > 204648, decrease input length or "
        "`max_tokens` and try again",
    ),
    "bedrock": (400, "Input is too long for requested model."),
    "bedrock, claude": (400, "The model returned the following errors: prompt is too long: 209353 tokens > 200000 max"),
    "bedrock, titan": (400, "Too many input tokens. Max input tokens: 8192, request input token count: 9004"),
    "bedrock, nova": (400, "Input Tokens Exceeded: Input exceeds the max input token limit"),
    "bedrock, in a stream": (424, "Input is too long for requested model."),
    "gemini": (400, "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575)."),
    "vertex": (
        400,
        "Unable to submit request because the input token count is 32770 but model only supports up to 32768. Reduce "
        "the input token count and try again.",
    ),
    "cohere": (
        400,
        "too many tokens: size limit exceeded by 19296 tokens. Try using shorter or fewer inputs. The limit for this "
        "model is 132000 tokens.",
    ),
    "cohere, generate": (400, "total tokens exceeds the model's max of 4096"),
    "mistral": (
        400,
        "Prompt contains 65673 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
    ),
    "vllm": (
        400,
        "This model's maximum context length is 262144 tokens. However, you requested 0 output tokens and your prompt "
        "contains at least 262145 input tokens, for a total of at least 262145 tokens. Please reduce the length of the "
        "input prompt or the number of requested output tokens. (parameter=input_tokens, value=262145)",
    ),
    "vllm, older": (400, "The decoder prompt (length 5000) is longer than the maximum model length of 4096."),
    "vllm, oldest": (400, "The prompt (total length 5000) is too long to fit into the model (context length 4096)."),
    "sglang": (400, "The input (400013 tokens) is longer than the model's context length (262144 tokens)."),
    "tgi": (
        422,
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens and "
        "200 `max_new_tokens`",
    ),
    "tgi, the prompt alone": (
        422, "Input validation error: `inputs` must have less than 1024 tokens. Given: 2000",
    ),
    "together": (
        422,
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000 `inputs` tokens and 1 "
        "`max_new_tokens`",
    ),
    "xai": (400, "This model's maximum prompt length is 131072 but the request contains 537812 tokens."),
    "groq": (400, "Please reduce the length of the messages or completion."),
    "groq, more than a minute's": (
        413,
        "Request too large for model `llama-3.3-70b-versatile` in organization `o` service tier `on_demand` on tokens "
        "per minute (TPM): Limit 6000, Requested 9000, please reduce your message size and try again.",
    ),
    "openrouter": (400, "This endpoint's maximum context length is 32768 tokens. However, you requested about 40002."),
    "llama.cpp": (400, "the request exceeds the available context size, try increasing it"),
    "llama.cpp, with figures": (400, "request (9000 tokens) exceeds the available context size (4096 tokens)"),
    "llama.cpp, older": (500, "Context size has been exceeded."),
    "lm studio": (400, "The number of tokens to keep from the initial prompt is greater than the context length."),
    "ollama": (400, "the input length exceeds the context length"),
    "perplexity": (400, "The total length of all messages is too long."),
    "cerebras": (400, "Please reduce the length of the messages or completion. Current length is 9 while limit is 8"),
    "moonshot": (400, "Invalid request: Your request exceeded model token limit: 262144 (requested: 300000)"),
    "minimax": (400, "invalid params, context window exceeds limit (2013)"),
    "copilot": (400, "prompt token count of 140000 exceeds the limit of 128000"),
    "a gateway before it, as 500": (500, "context length exceeded"),
    "an error event without a status": (502, "prompt is too long: 213462 tokens > 200000 maximum"),
}  # fmt: skip


@pytest.mark.parametrize("who", TOO_LONG)
def test_a_prompt_that_is_too_long_is_never_sent_to_the_same_model_again(who: str) -> None:
    status, words = TOO_LONG[who]
    for said in (words, words.upper(), f"Error: {words}"):
        error = refused(status, said, type="invalid_request_error")
        assert is_context_length(error)
        assert not is_content_policy(error)
        assert verdict(error, Policy()) is Verdict.ELSEWHERE
        assert not is_failure(error)


NOT_TOO_LONG = {
    "bedrock's throttle": (429, "Too many tokens, please wait before trying again."),
    "bedrock's throttle, per day": (429, "Too many tokens per day, please wait before trying again."),
    "openai's rate": (
        429,
        "Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Used 29000, "
        "Requested 2000. Please try again in 2s.",
    ),
    "openai's rate, one request": (
        429,
        "Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 40000. The "
        "input or output tokens must be reduced in order to run successfully.",
    ),
    "overloaded": (529, "Overloaded"),
    "overloaded, wordily": (503, "The model is overloaded: too many tokens are in flight"),
    "a field": (400, "Invalid 'user': string too long. Expected a string with maximum length 64, got length 65."),
    "max_tokens": (400, "max_tokens is too large: 100000. This model supports at most 16384 completion tokens."),
    "max_tokens, anthropic": (400, "max_tokens: 100000 > 8192, which is the maximum allowed number of output tokens"),
    "a parameter": (400, "Unrecognized request argument supplied: context_window"),
    "tools": (400, "Invalid 'tools': array too long. Expected an array with maximum length 128, but got 129."),
    "a body": (413, "Request body too large"),
    "a name": (404, "The model `long-context` does not exist"),
}  # fmt: skip


@pytest.mark.parametrize("who", NOT_TOO_LONG)
def test_what_only_sounds_like_it_is_not(who: str) -> None:
    assert not is_context_length(refused(*NOT_TOO_LONG[who]))
    assert not is_content_policy(refused(*NOT_TOO_LONG[who]))


NOT_ALLOWED = {
    "azure": (
        400,
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please "
        "modify your prompt and retry.",
    ),
    "azure, in its words for machines": (400, '{"innererror":{"code":"ResponsibleAIPolicyViolation"}}'),
    "openai, reasoning": (
        400, "Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again.",
    ),
    "openai, images": (400, "Your request was rejected as a result of our safety system."),
    "openai, in the words alone": (400, "Error: content_policy_violation"),
    "anthropic": (400, "Output blocked by content filtering policy"),
    "anthropic, in a stream whose error has no type": (502, "Output blocked by content filtering policy"),
    "xai": (
        403,
        "xai refused the gateway's credentials for endpoint 'chat': Content violates usage guidelines. Failed check: "
        "SAFETY_CHECK_TYPE_BIO",
    ),
    "deepseek": (400, "Content Exists Risk"),
    "alibaba": (400, "Input data may contain inappropriate content."),
    "bedrock's image models": (400, "This request has been blocked by our content filters."),
}  # fmt: skip


@pytest.mark.parametrize("who", NOT_ALLOWED)
def test_what_a_provider_does_not_allow_goes_nowhere_unless_the_policy_says_so(who: str) -> None:
    error = refused(*NOT_ALLOWED[who])
    assert is_content_policy(error)
    assert not is_context_length(error)
    assert verdict(error, Policy()) is Verdict.NOWHERE
    assert verdict(error, Policy(on_content_policy=True)) is Verdict.ELSEWHERE
    assert not is_failure(error)


def test_an_endless_message_is_read_quickly() -> None:
    """Words are searched in what a provider sends: nothing in it may make the search slow."""
    for words in (
        "input token coun" * 500,
        "exceeds the " * 700,
        "`inputs` " * 900,
        "a" * 8000,
        "prompt is too " * 600,
    ):
        assert not is_context_length(refused(400, words))
        assert not is_content_policy(refused(400, words))
