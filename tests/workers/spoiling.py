"""Requests as they should be, and what may be done to them."""

from __future__ import annotations

from hypothesis import strategies as st

HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"

PATHS = [
    "/", "/health", "/a/b", "/caf%C3%A9", "/%2e%2e/x", "/%00", "/%zz%2", "/a%0d%0ab", "/a%2Fb", "/..", "/a//b",
    "/a;b=c", "/a:80", "/:80", "/[", "/a[b]", "/@x", "/\\x", "/a/http://x/", "/{a}|^`", '/"', "/+", "/" + "x" * 3000,
    "//", "//x", "//host/path", "//[", "/#", "/a#b", "/a?b#c", "http://x/y", "https://x", "*", "x:80", "", "a", "/a b",
    "/\xe9", "/\x7f", "/a\tb", "/\0", "?", "/" + "x" * 8190,
]  # fmt: skip
QUERIES = [
    "", "?", "?a=1&b=2", "??", "?a?b", "?%41", "?a=/../", "?//", "?[", "?a;b", "?#", "? ", "?\xff", "?" + "q" * 6000,
]  # fmt: skip
METHODS = ["GET", "POST", "HEAD", "PUT", "OPTIONS", "get", "Post", "CONNECT", "G", "GET\0", " GET", "POST ", "\r\nGET"]
VERSIONS = [
    "HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "http/1.1", "HTTP/1.1 ", "HTTP/1.10", "HTTP/1,1",
    "HTTP/\u00b9.1", "HTTP/11", "HTTP/1.1\t", "",
]  # fmt: skip
NAMES = [
    "Host", "Content-Type", "Content-Length", "content-length", "Content_Length", "CONTENT-LENGTH", "Connection",
    "connection", "Accept", "X-A", "X_A", "x-a", "Transfer-Encoding", "transfer-encoding", "Transfer_Encoding",
    "Expect", "Upgrade", "Trailer", "TE", "Cookie", "Authorization", "Keep-Alive", "Proxy-Connection", "Script-Name",
    "SCRIPT_NAME", "Path-Info", "X.B", "!#$%&'*+-.^`|~", "X(", "", "X Y", " X", "X ", "X\t", "X\0", "\xe9", "\xb5",
    "X:", "1", "HTTP-Host", "Content-Length-", "-Content-Length", "HTTP2-Settings", "X-Forwarded-For",
]  # fmt: skip
LENGTHS = [
    "0", "5", "34", "05", "0034", "+5", "-1", "1_0", "\u00b2", "\xb9", "5,5", "5, 6", "5 5", "0x5", "5.0", "", "5\0",
    "5\x0b", "\xa05", "\x855", "1" * 15, "1" * 16, "1" * 5000,
]  # fmt: skip
CONNECTIONS = ["keep-alive", "close", "Close", "Keep-Alive", "keep-alive, close", "upgrade", "", "close\xa0", "x"]
VALUES = [
    "x", "", "a b", "a:b", "a,b", "a\tb", "\xe9", "\x80\xff", "a\0b", "a\x0bb", "a\x0cb", "a\x7fb", "a\rb", "a\nb",
    "\x85a\xa0", "a\r\n folded", "a\r\n\tfolded", "a\nX-B: c", "a\rX-B: c", "chunked", "identity", "gzip, chunked",
    "100-continue", "h2c", "x" * 5000, "\x1f", "\x1ca\x1d",
]  # fmt: skip
SPACES = ["", " ", "  ", "\t", " \t "]
ENDS = ["\n", "\r", "\r\r\n", "\r\n\r\n", "\n\r\n", "\r\n ", "\0\r\n"]
BODIES = [b"", b"abcde", HIDDEN, b"5\r\nabcde\r\n0\r\n\r\n" + HIDDEN, b"\r\n", b"\r\n\r\n" + HIDDEN, b"{}" * 40]

SAID = {
    **dict.fromkeys(("Content-Length", "content-length", "Content_Length", "CONTENT-LENGTH"), LENGTHS),
    **dict.fromkeys(("Connection", "connection"), CONNECTIONS),
}


def mostly(usual: list[str], others: list[str]) -> st.SearchStrategy[str]:
    """One of the usual ones in most draws, so that much of what is generated is read."""
    return st.sampled_from(usual * (1 + 80 * len(others) // len(usual)) + others)


def a_header(name: str) -> st.SearchStrategy[str]:
    usual = SAID.get(name, ["x", "", "a b", "a:b", "\xe9", "a\tb"])[:5]
    value, space, end = mostly(usual, SAID.get(name, VALUES)), st.sampled_from(SPACES), mostly(["\r\n"], ENDS)
    return st.builds("{}:{}{}{}{}".format, st.just(name), space, value, space, end)


HEADERS = {name: a_header(name) for name in (*NAMES, "X-B")}
USUAL = ["Host", "Content-Length", "Connection", "Accept", "X-A", "X-B", "Content-Type", "Cookie"]


def headers() -> st.SearchStrategy[str]:
    return mostly(USUAL, NAMES).flatmap(HEADERS.__getitem__)


UNIQUE = st.lists(headers(), min_size=1, max_size=5, unique_by=lambda one: one.partition(":")[0].lower())


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    method, version = draw(mostly(["GET", "POST"], METHODS)), draw(mostly(["HTTP/1.1"], VERSIONS))
    target = draw(mostly(PATHS[:12], PATHS)) + draw(mostly(QUERIES[:6], QUERIES))
    between = mostly([" "], ["  ", "\t", "", " \t"])
    line = method + draw(between) + target + draw(between) + version + draw(mostly(["\r\n"], ENDS))
    lines = draw(UNIQUE | UNIQUE | UNIQUE | st.lists(headers()))
    filling = "".join(f"x{n}: y\r\n" for n in range(draw(st.sampled_from([0] * 60 + [95, 99, 100, 101]))))
    head = f"{line}{filling}{''.join(lines)}\r\n".encode("latin-1", "replace")
    return head + draw(st.sampled_from(BODIES))


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A request, and a few bytes of it changed, or there twice, or missing."""
    data = bytearray(draw(requests()))
    for _ in range(draw(st.sampled_from([0, 0, 0, 0, 1, 1, 2, 3]))):
        at = draw(st.integers(0, min(len(data), 200)))
        put = st.sampled_from([b"\r", b"\n", b"\0", b" ", b":", b"_", b"\t", b"\xff", b"#", b"/", b"\r\n", b"-", b"0"])
        data[at : at + draw(st.integers(0, 3))] = draw(put | st.binary(max_size=2))
    return bytes(data)
