"""Server-sent events: however the bytes are cut, the same events come out."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.errors import Garbled
from app.sse import DONE, KEEP_ALIVE, MAX_EVENT_BYTES, Decoder, Failure, encode

END = st.sampled_from([b"\n", b"\r\n", b"\r"])
LINE = st.one_of(
    st.sampled_from(
        [b"data: {}", b"data:", b"data", b"data:x", b"data:  two", b": comment", b":", b"event: error", b"id: 7", b""]
    ),
    st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"]), max_size=8).map(
        lambda text: b"data: " + text.encode()
    ),
    st.binary(max_size=6).map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b"")),
)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Lines with every kind of end, in any mixture."""
    lines = draw(st.lists(st.tuples(LINE, END), max_size=25))
    bom = draw(st.sampled_from([b"", b"\xef\xbb\xbf", b"\xef\xbb"]))
    return bom + b"".join(line + end for line, end in lines) + draw(st.sampled_from([b"", b"data: tail", b"dat"]))


def events(pieces: list[bytes]) -> list[bytes]:
    decoder = Decoder()
    return [event for piece in pieces for event in decoder.feed(piece)] + decoder.close()


def said(events: list[bytes]) -> list[tuple[bytes, bool]]:
    """Each event's data, and whether it is a failure: in bytes alone the two are equal."""
    return [(bytes(event), isinstance(event, Failure)) for event in events]


def by_the_standard(stream: bytes) -> list[bytes]:
    """The standard's own algorithm, line by line, and what stands unended at the close."""
    found: list[bytes] = []
    data: list[bytes] = []
    name = b""
    text = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for line in [*text.split(b"\n"), b""]:
        if not line:
            event = b"\n".join(data)
            found += [Failure(event) if name == b"error" else event] if data else []
            data, name = [], b""
            continue
        field, _, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return found


@given(streams())
@example(b"data: a\r\n\r\ndata: b\r\r\ndata: c\n\r\ndata: d\r\n\n")
@example("data: \U0001f30a\r\n\r\n".encode())
def test_one_byte_at_a_time_gives_the_events_of_the_whole(stream: bytes) -> None:
    expected = by_the_standard(stream)
    assert said(events([stream])) == said(expected)
    assert said(events([stream[at : at + 1] for at in range(len(stream))])) == said(expected)


@given(streams(), st.lists(st.integers(0, 200), max_size=8))
def test_any_cut_gives_the_events_of_the_whole(stream: bytes, cuts: list[int]) -> None:
    ends = sorted({min(cut, len(stream)) for cut in cuts})
    pieces = [stream[start:end] for start, end in zip([0, *ends], [*ends, len(stream)], strict=True)]
    assert said(events(pieces)) == said(by_the_standard(stream))


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: a\n\n", [b"a"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),
        (b"data: a\r\n\r\ndata: b\r\rdata: c\n\n", [b"a", b"b", b"c"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"event: error\ndata: a\n\ndata: b\n\n", [Failure(b"a"), b"b"]),
        (b"data: a\nid: 1\nretry: 5\nwhatever\n\n", [b"a"]),
        (b": keep-alive\n\n\n\nevent: ping\n\ndata: a\n\n", [b"a"]),
        (b"data\n\ndata:\n\n", [b"", b""]),
        (b"database: a\n\n data: b\n\n", []),
        (b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", [b"a"]),
        (b"", []),
    ],
)
def test_the_standards_rules(stream: bytes, expected: list[bytes]) -> None:
    assert said(events([stream])) == said(expected)


def test_an_event_is_given_as_soon_as_it_ends() -> None:
    decoder = Decoder()
    assert decoder.feed(b"data: a\n") == []
    assert decoder.feed(b"\ndata: b\r\n\r") == [b"a", b"b"]
    assert decoder.feed(b"\ndata: c\n\n") == [b"c"]


def test_what_stands_unended_is_given_at_the_close_and_once() -> None:
    decoder = Decoder()
    assert decoder.feed(b"data: a\n\ndata: [DONE]\r") == [b"a"]
    assert decoder.close() == [b"[DONE]"]
    assert decoder.close() == []


@given(st.lists(st.binary(max_size=40).map(lambda raw: raw.replace(b"\r", b"")), max_size=8))
def test_what_is_encoded_is_decoded(data: list[bytes]) -> None:
    assert events([b"".join(encode([each]) for each in data)]) == data


def test_done_and_keep_alive_are_what_clients_know() -> None:
    assert events([KEEP_ALIVE, DONE]) == [b"[DONE]"]


@pytest.mark.parametrize("tail", [b"", b"\n\n"])
def test_an_event_that_never_ends_is_garbled(tail: bytes) -> None:
    decoder = Decoder()
    with pytest.raises(Garbled, match="more than 8388608 bytes"):
        decoder.feed(b"data: " + b"x" * MAX_EVENT_BYTES + tail)


@pytest.mark.parametrize("piece", [b"x" * 1024, b"x" * 1023 + b"\r", b"x" * 1023 + b"\n"])
def test_a_long_event_costs_what_its_bytes_cost(piece: bytes) -> None:
    """8 MiB in pieces of 1 KiB: were all of it read again with each piece, this would not end."""
    decoder = Decoder()
    decoder.feed(b": ")
    kept = MAX_EVENT_BYTES // len(piece) - 1
    for _ in range(kept):
        assert decoder.feed(piece) == []
    with pytest.raises(Garbled):
        decoder.feed(piece * 2)
