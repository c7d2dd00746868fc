"""What the measured providers answer is what their names say."""

import json

from app.dialects.bedrock.event_stream import Decoder
from bench import answers, questions
from bench.paced import Pace


def test_each_stream_has_as_many_events_as_the_bench_says():
    assert answers.stream().count(b"data: {") == answers.EVENTS
    assert answers.anthropic_stream().count(b"data: {") == answers.EVENTS


def test_the_frames_of_bedrocks_stream_are_read_by_the_gateways_own_decoder():
    decoder = Decoder()
    events = decoder.feed(answers.bedrock_stream())
    assert decoder.close() == []
    assert len(events) == answers.EVENTS
    assert json.loads(events[-1])["metadata"]["usage"]["totalTokens"] == 110


def test_a_paced_stream_is_sent_in_as_many_pieces_as_it_has_deltas():
    pieces = Pace(5, 0.001).pieces()
    assert len(pieces) == 5
    assert pieces[0].startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"".join(pieces).endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert b"".join(pieces).count(b'"content":" word') == 5


def test_the_large_questions_are_as_large_as_the_bench_says():
    assert abs(len(json.dumps(questions.image())) - 1_000_000) < 10_000
    conversation = questions.conversation()
    assert len(conversation["messages"]) == 200
    assert len(conversation["tools"]) == 20
