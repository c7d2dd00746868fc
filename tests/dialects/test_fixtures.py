"""Every dialect by its fixtures: payloads out, answers back, streams however they are cut, errors with their words."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("botocore", reason="needs the extra: pip install 'weir[bedrock]'")

from app.dialects import ChunkStream
from app.errors import GatewayError
from tests.dialects.cases import ALWAYS, MAY_BE, SPEAKERS, STREAM, WHOLE, Case, Failure, cases, failures

CASES = list(cases())
STREAMS = [case for case in CASES if case.streams]
FAILURES = failures()


def name(found: Case | Failure) -> str:
    return found.name


each_case = pytest.mark.parametrize("case", CASES, ids=name)
each_stream = pytest.mark.parametrize("case", STREAMS, ids=name)


def chunks(case: Case, pieces: Iterator[bytes]) -> list[Any]:
    """What a case's stream becomes when it comes in these pieces."""
    translate, decoder = case.translator.stream, case.translator.decoder()
    assert translate is not None
    stream, made = translate(), []
    next(stream)
    for events in (*map(decoder.feed, pieces), decoder.close()):
        for event in events:
            if event != b"[DONE]":
                made += stream.send(json.loads(event))
    return [*made, *ended(stream)]


def ended(stream: ChunkStream) -> list[Any]:
    try:
        return stream.send(None)
    except StopIteration:
        return []


def cut(data: bytes, places: list[int]) -> Iterator[bytes]:
    edges = [0, *sorted(places), len(data)]
    return (data[start:end] for start, end in pairwise(edges))


# --- what there is


def test_every_dialect_has_cases_of_each_kind_and_errors() -> None:
    assert {case.dialect for case in CASES} == set(SPEAKERS)
    assert {case.dialect for case in STREAMS} == set(SPEAKERS) - {"mlflow_serving"}
    assert {failure.name.split("/")[0] for failure in FAILURES} == set(SPEAKERS)
    assert len(CASES) > 150


@each_case
def test_a_case_consists_of_files_that_are_known(case: Case) -> None:
    assert case.files - MAY_BE == ALWAYS | (STREAM if case.streams else WHOLE)


# --- out


@each_case
def test_a_payload_becomes_what_the_provider_understands(case: Case) -> None:
    payload = case.json("request.json")
    before = copy.deepcopy(payload)
    body = case.translator.request(case.model, payload)
    assert body.json == case.json("upstream_request.json")
    assert list(body.adjusted) == (case.json("adjusted.json") if "adjusted.json" in case.files else [])
    assert payload == before


# --- back


@pytest.mark.parametrize("case", [case for case in CASES if not case.streams], ids=name)
def test_an_answer_becomes_openais(case: Case) -> None:
    answer = case.json("upstream_response.json")
    before = copy.deepcopy(answer)
    assert case.translator.response is not None
    made = case.translator.response(answer)
    assert made == case.json("response.json")
    assert answer == before
    if made == answer:
        assert made is answer, "what needs nothing should pass as the bytes that came"


@each_stream
def test_a_stream_becomes_openais(case: Case) -> None:
    assert chunks(case, iter([case.bytes])) == case.lines("chunks.jsonl")


@each_stream
def test_a_stream_is_the_same_byte_by_byte(case: Case) -> None:
    data = case.bytes
    assert chunks(case, iter([data[at : at + 1] for at in range(len(data))])) == case.lines("chunks.jsonl")


@each_stream
@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_stream_is_the_same_wherever_it_is_cut(case: Case, data: st.DataObject) -> None:
    raw = case.bytes
    places = data.draw(st.lists(st.integers(0, len(raw)), max_size=12))
    assert chunks(case, cut(raw, places)) == case.lines("chunks.jsonl")


@pytest.mark.parametrize("case", [case for case in STREAMS if case.dialect != "bedrock"], ids=name)
def test_a_stream_is_the_same_with_crlf_cut_between_its_two_bytes(case: Case) -> None:
    raw = case.bytes.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    places = [at + 1 for at in range(len(raw)) if raw[at : at + 2] == b"\r\n"]
    assert chunks(case, cut(raw, places)) == case.lines("chunks.jsonl")


@each_stream
def test_a_stream_says_its_role_first_ends_once_and_counts_last(case: Case) -> None:
    said = case.lines("chunks.jsonl")
    choices = [choice for chunk in said for choice in chunk["choices"]]
    indexes = {choice["index"] for choice in choices}
    for index in indexes:
        assert sum(choice["index"] == index and bool(choice.get("finish_reason")) for choice in choices) == 1
    if case.endpoint_type == "chat":
        assert next(choice for choice in choices if choice["delta"].get("role")) is choices[0]
    counted = [at for at, chunk in enumerate(said) if chunk.get("usage") and not chunk["choices"]]
    assert counted in ([], [len(said) - 1])


def test_some_streams_have_letters_of_more_than_one_byte() -> None:
    told = {case.dialect for case in STREAMS if not case.bytes.decode("latin-1").isascii()}
    assert told >= {"anthropic", "openai_like", "tgi"}


# --- errors


@pytest.mark.parametrize("failure", FAILURES, ids=name)
def test_an_error_keeps_its_words(failure: Failure) -> None:
    said, expected = failure.said, failure.said["error"]
    if said["status"] != 200:
        read = failure.refusal
        assert {key: getattr(read, key) for key in expected} == expected
        assert read.retry_after == said.get("retry_after")
        return
    with pytest.raises(GatewayError) as caught:
        answered(failure)
    assert {key: getattr(caught.value, key) for key in expected} == expected


def answered(failure: Failure) -> None:
    """Let the translator read an answer under 200 that is none."""
    translator, said = failure.translator, failure.said
    if "stream" not in said:
        assert translator.response is not None
        translator.response(said["body"])
        return
    assert translator.stream is not None
    stream = translator.stream()
    next(stream)
    for event in said["stream"]:
        stream.send(event)
    ended(stream)
