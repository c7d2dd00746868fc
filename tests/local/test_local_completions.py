"""Text completions of the built-in model."""

from __future__ import annotations

import pytest

from app.local import tokens

ONCE = {"model": "m", "prompt": "Once upon a time"}


def texts(answer):
    return [choice["text"] for choice in answer.json["choices"]]


def test_it_continues_the_prompt_and_says_what_it_is(ask):
    answer = ask("completions", ONCE)
    assert answer.json["object"] == "text_completion"
    (choice,) = answer.json["choices"]
    assert choice["text"].startswith(" ")
    assert "Weir's built-in model" in choice["text"]
    assert (choice["finish_reason"], choice["logprobs"], choice["index"]) == ("stop", None, 0)
    assert answer.json["usage"]["prompt_tokens"] == 4
    assert answer.json["usage"]["completion_tokens"] == tokens.count(choice["text"])


@pytest.mark.parametrize("seed", range(8))
def test_the_stops_of_the_usage_page_leave_something_to_read(ask, seed):
    (text,) = texts(ask("completions", {**ONCE, "stop": [".", "!"], "seed": seed}))
    assert len(text) > 20
    assert "." not in text
    assert "!" not in text


def test_max_tokens_ends_it_with_length(ask):
    answer = ask("completions", {**ONCE, "max_tokens": 3})
    assert tokens.count(texts(answer)[0]) == 3
    assert answer.json["choices"][0]["finish_reason"] == "length"


def test_a_list_of_prompts_has_n_choices_for_each(ask):
    answer = ask("completions", {"prompt": ["one apple", "two pears"], "n": 2})
    assert [choice["index"] for choice in answer.json["choices"]] == [0, 1, 2, 3]
    assert ["apple" in text for text in texts(answer)] == [True, True, False, False]
    assert answer.json["usage"]["prompt_tokens"] == 4


@pytest.mark.parametrize(
    ("prompt", "choices", "counted"), [([1, 2, 3], 1, 3), ([[1, 2], [3]], 2, 3), ([[1, 2], "a b"], 2, 4)]
)
def test_token_ids_are_a_prompt_too(ask, prompt, choices, counted):
    answer = ask("completions", {"prompt": prompt})
    assert len(answer.json["choices"]) == choices
    assert answer.json["usage"]["prompt_tokens"] == counted


def test_a_stream_says_word_by_word_what_the_whole_answer_says(ask):
    stream = ask("completions", {**ONCE, "stream": True, "stream_options": {"include_usage": True}})
    whole = ask("completions", ONCE)
    said = [choice["text"] for chunk in stream.chunks for choice in chunk["choices"]]
    assert "".join(said) == texts(whole)[0]
    assert said[:-1] == tokens.split(texts(whole)[0])
    assert stream.chunks[-1]["usage"] == whole.json["usage"]
    assert stream.chunks[-2]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": {"a": 1}}, "prompt"),
        ({"prompt": ["a", 1.5]}, "prompt[1]"),
        ({"prompt": [True]}, "prompt[0]"),
        ({"prompt": [[]]}, "prompt[0]"),
        ({"prompt": ["a"] * 2000, "n": 2}, "n"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"stop": {}}, "stop"),
    ],
)
def test_a_payload_of_the_wrong_shape_is_a_400_that_names_the_place(ask, change, param):
    answer = ask("completions", {**ONCE, **change})
    assert answer.response.status_code == 400
    assert answer.error["param"] == param


@pytest.mark.parametrize(("name", "value"), [("echo", True), ("suffix", " the end"), ("logprobs", 2)])
def test_what_is_not_done_is_refused_and_not_passed_over(ask, name, value):
    answer = ask("completions", {**ONCE, name: value})
    assert (answer.response.status_code, answer.error["param"]) == (400, name)
