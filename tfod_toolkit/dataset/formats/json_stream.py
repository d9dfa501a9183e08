"""The elements of a JSON file's arrays one by one, so that a file of gigabytes needs no memory."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfod_toolkit.dataset.formats.parts import Unreadable

_CHUNK = 1 << 20
_BLANK = " \t\r\n"


class JsonStream:
    """Walks through a JSON file; a context manager."""

    def __init__(self, path: Path, chunk: int = _CHUNK) -> None:
        self.path = path
        self._chunk = chunk
        self._decoder = json.JSONDecoder()
        self._text = ""
        self._at = 0
        self._before = 0
        self._lines = 1
        self._ended = False

    def __enter__(self) -> JsonStream:
        try:
            self._file = self.path.open("rb")
        except OSError as error:
            raise Unreadable(f"cannot be read: {error.strerror}") from error
        start = self._file.read(4)
        self._file.seek(0)
        encoding = "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        self._decode = codecs.getincrementaldecoder(encoding)(errors="strict")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def first(self) -> str:
        """The first character that is no blank: ``{`` or ``[``; empty where there is none."""
        return self._peek()

    def members(self) -> Iterator[str]:
        """The keys of an object that begins here; whoever is given one takes its value.

        With :meth:`elements`, :meth:`value` or, otherwise, it is skipped.
        """
        self._take("{")
        if self._peek() == "}":
            return
        while True:
            if self._peek() != '"':
                raise self._wrong("a key in double quotes")
            key = self.value()
            self._take(":")
            yield key
            if self._peek() == ":":  # pragma: no cover -- a caller's mistake
                raise self._wrong("a value")
            if self._peek() != ",":
                self._take("}")
                return
            self._take(",")

    def elements(self) -> Iterator[tuple[Any, str]]:
        """The elements of an array that begins here, each with its text."""
        self._take("[")
        if self._peek() == "]":
            self._take("]")
            return
        while True:
            yield self._value()
            if self._peek() != ",":
                self._take("]")
                return
            self._take(",")

    def value(self) -> Any:
        """The value that begins here."""
        return self._value()[0]

    def skip(self) -> None:
        """Pass over the value that begins here."""
        if self._peek() == "[":
            for _ in self.elements():
                pass
        else:
            self._value()

    def _value(self) -> tuple[Any, str]:
        self._peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                # Perhaps it is only not all here yet; what is wrong before the end stays wrong.
                cut = error.msg.startswith("Unterminated") or error.pos > len(self._text) - 64
                if self._ended or not cut:
                    raise self._at_line(error.msg, error.pos) from error
            except RecursionError:
                raise self._at_line("Nested too deeply", self._at) from None
            else:
                # A number may go on in the next chunk.
                if end < len(self._text) or self._ended:
                    text = self._text[self._at : end]
                    self._at = end
                    return value, text
            self._more(double=True)

    def _peek(self) -> str:
        while True:
            while self._at < len(self._text):
                character = self._text[self._at]
                if character not in _BLANK:
                    return character
                self._at += 1
            if self._ended:
                return ""
            self._more()

    def _take(self, wanted: str) -> None:
        if self._peek() != wanted:
            raise self._wrong(repr(wanted))
        self._at += 1

    def _more(self, *, double: bool = False) -> None:
        """Read on; an element longer than a chunk is tried each time there is twice as much."""
        left = len(self._text) - self._at
        data = self._file.read(max(self._chunk, left if double else 0))
        try:
            fresh = self._decode.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise Unreadable(f"is not UTF-8 text: {error}") from error
        self._ended = not data
        self._lines += self._text.count("\n", 0, self._at)
        self._text = self._text[self._at :] + fresh
        self._at = 0

    def _wrong(self, wanted: str) -> Unreadable:
        found = self._peek()
        there = f"found {found!r}" if found else "the file ends"
        return self._at_line(f"expecting {wanted}, {there}", self._at)

    def _at_line(self, what: str, position: int) -> Unreadable:
        line = self._lines + self._text.count("\n", 0, position)
        return Unreadable(f"is not JSON: line {line}: {what[:1].lower()}{what[1:]}")
