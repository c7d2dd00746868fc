"""Events that say what one before them said but for their texts: such a one needs not be parsed to be known. Pure.

Most events of a stream are alike: another word, or other characters that only pad. The bytes around a text of one that
was parsed make, around another text, an event of the same shape, for a JSON string may stand where another stood
(RFC 8259, section 7). So of what is alike nothing is unread: each byte is compared or, in a text, looked at.
"""

from __future__ import annotations

import re

_PLAIN = rb'[^"\\\x00-\x1f]*'
_PAIR = rb"[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # of surrogates; one alone is no character
_ESCAPE = rb'\\(?:["\\/bfnrt]|u(?:(?![dD][89a-fA-F])[0-9a-fA-F]{4}|' + _PAIR + b"))"
_text_at = re.compile(_PLAIN + b"(?:" + _ESCAPE + _PLAIN + b")*").match
"""Of (data, at): what a JSON string holds from there on, up to its end or to what no string may hold."""

_texts = re.compile(rb'"(?:content|reasoning_content|reasoning|text|arguments|obfuscation)": ?"').finditer
"""Where texts begin that differ from event to event. To no one of these names do we look for anything."""

_MOST = 32
"""So many are learned of one stream: one whose events are never alike is not worth more."""


class Alike:
    """The last event that was learned."""

    __slots__ = ("_between", "_end", "_head", "_learned", "_tail")

    def __init__(self) -> None:
        self._head = self._tail = self._end = b""
        self._between: list[bytes] = []  # what stands between the texts, where there are several
        self._learned = 0

    def learn(self, data: bytes, made: bytes) -> None:
        """Remember an event of one line that was parsed, in which only what its texts say may be another.

        `made` is what was made of it, whatever its texts say: the same, or with another end.
        """
        if self._learned == _MOST or data.find(b"\n") >= 0:
            return
        self._learned += 1
        parts, begun = [], 0
        for found in _texts(data):
            at = found.end()
            end = _text_at(data, at).end()  # type: ignore[union-attr]  # it matches what is empty, too
            if data[end : end + 1] == b'"':
                parts.append(data[begun:at])
                begun = end
        if parts and made[:begun] == data[:begun]:
            self._head, *self._between = parts
            self._tail, self._end = data[begun:], made[begun:]

    def made(self, data: bytes) -> bytes:
        """What is made of an event that is the same but for its texts, and so is one line, too; b"" for another."""
        head = self._head
        at = len(head)
        if not at or data[:at] != head:
            return b""
        for literal in self._between:
            begun = _text_at(data, at).end()  # type: ignore[union-attr]
            at = begun + len(literal)
            if data[begun:at] != literal:
                return b""
        end = _text_at(data, at).end()  # type: ignore[union-attr]
        if data[end:] != self._tail or not (data.isascii() or _is_utf8(data)):
            return b""
        return data[:end] + self._end


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
