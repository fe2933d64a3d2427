"""Reading XML that strangers send: as a stream, in bounded memory, refusing whatever could harm the reader.

ISO 20022 messages are flat at the top (`Document`, one body, its parts) and deep below. What lies three levels down and
more is handed out as one finished piece after the other, and forgotten; so a file of any length takes the memory of its
largest piece. Document types are refused before their first declaration is read, and with them every entity, inner or
external. Prefixes do not matter: an element counts by its local name when it is in the document's own namespace.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal, NamedTuple

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser, ParseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CHUNK_BYTES: Final = 65_536
ROOT: Final = "Document"
PIECE_LEVEL: Final = 3
"""How far below `Document` pieces begin: body 1, part 2, piece 3."""


class InvalidDocument(ValueError):
    """A file that is not what it should be: damaged, of another kind, or dangerous. Nothing of it may be booked.

    `place` is where: the path of elements with their numbers from 1, and the line.
    """

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place = place
        self.problem = problem

    def within(self, outer: str) -> InvalidDocument:
        """The same error seen from further out."""
        return InvalidDocument(f"{outer}/{self.place}", self.problem)


@dataclass(frozen=True, slots=True)
class Limits:
    """What is too much. A year of a busy account is some hundred megabytes; a piece is one entry with its details."""

    document_bytes: int = 4 * 1024**3
    piece_bytes: int = 64 * 1024**2
    piece_elements: int = 500_000
    token_bytes: int = 1024**2
    """How much may be read without an element beginning or ending."""
    depth: int = 64


LIMITS: Final = Limits()


class Element:
    """One element of a piece, with its own: local name, attributes and stripped text."""

    __slots__ = ("attributes", "children", "line", "name", "text")

    def __init__(self, name: str, attributes: dict[str, str], line: int) -> None:
        self.name = name
        self.attributes = attributes
        self.line = line
        self.text = ""
        self.children: list[Element] = []

    def child(self, name: str) -> Element | None:
        """The first child of that name."""
        for child in self.children:
            if child.name == name:
                return child
        return None

    def every(self, name: str) -> Iterator[Element]:
        """All children of that name, in their order."""
        return (child for child in self.children if child.name == name)

    def at(self, *path: str) -> Element | None:
        """The first element down that path."""
        found: Element | None = self
        for name in path:
            if found is None:
                return None
            found = found.child(name)
        return found

    def told(self, *path: str) -> str | None:
        """The text down that path; None when it is not there or empty."""
        found = self.at(*path)
        return found.text or None if found is not None else None

    def need(self, *path: str) -> str:
        """The text down that path. Raises `InvalidDocument` when it is not there or empty."""
        text = self.told(*path)
        if text is None:
            raise self.wrong("is missing or empty", *path)
        return text

    def wrong(self, problem: str, *path: str) -> InvalidDocument:
        """The error to raise about what is down that path."""
        return InvalidDocument(f"{'/'.join((self.name, *path))} (line {self.line})", problem)


class Part(NamedTuple):
    """What a document is read as. `place` is the path from the body down, numbered: `BkToCstmrStmt/Stmt[2]`."""

    kind: Literal["opened", "piece", "closed"]
    place: str
    name: str
    """Of the body, of the part, or of the piece."""
    level: int
    element: Element | None
    namespace: str


def read(source: BinaryIO, limits: Limits = LIMITS) -> Iterator[Part]:
    """The parts of an XML document as they come: bodies and their parts opened and closed, pieces in one.

    Raises `InvalidDocument` for XML that is not well-formed, not whole, declares a document type, or is beyond a limit.
    """
    target = _Target(limits)
    parser = DefusedXMLParser(target=target, forbid_dtd=True)
    target.expat = parser.parser
    total = 0
    try:
        while chunk := source.read(CHUNK_BYTES):
            total += len(chunk)
            if total > limits.document_bytes:
                raise InvalidDocument(_line(target), f"is longer than {limits.document_bytes} bytes")
            target.fed(len(chunk))
            parser.feed(chunk)
            yield from target.taken()
        parser.close()
        yield from target.taken()
    except ParseError as error:
        raise InvalidDocument(_line(target), f"is not well-formed XML: {error}") from None
    except DefusedXmlException:
        raise InvalidDocument(_line(target), "declares a document type or entities, which no bank file needs") from None
    except (LookupError, ValueError) as error:
        # an encoding that does not exist, or text that is not in the encoding it is declared in
        if isinstance(error, InvalidDocument):
            raise
        raise InvalidDocument(_line(target), f"cannot be read: {error}") from None
    if not target.seen:
        raise InvalidDocument(_line(target), f"has no element {ROOT}: it is no ISO 20022 message")


def one_line(text: str) -> str:
    """What was found instead, short enough for an error."""
    shown = " ".join(text.split())
    return repr(shown if len(shown) <= 40 else shown[:37] + "...")


def _line(target: _Target) -> str:
    return f"line {target.expat.CurrentLineNumber}"


class _Target:
    """Takes the parser's calls and keeps what they have added up to since it was last asked."""

    def __init__(self, limits: Limits) -> None:
        self.expat: Any = None
        self.seen = False
        self._limits = limits
        self._ready: list[Part] = []
        self._depth = 0
        self._path: list[str] = []
        self._numbers: list[dict[str, int]] = []
        self._namespace: str | None = None
        self._names: dict[str, str] = {}
        self._open: list[Element] = []
        self._text: list[str] = []
        self._elements = 0
        self._piece_bytes = 0
        self._quiet_bytes = 0

    def fed(self, size: int) -> None:
        """So many bytes are about to be parsed."""
        if self._open and self._piece_bytes > self._limits.piece_bytes:
            raise InvalidDocument(_line(self), f"one piece is longer than {self._limits.piece_bytes} bytes")
        if self._quiet_bytes > self._limits.token_bytes:
            raise InvalidDocument(_line(self), f"one text or tag is longer than {self._limits.token_bytes} bytes")
        self._piece_bytes += size
        self._quiet_bytes += size

    def taken(self) -> Sequence[Part]:
        """What is finished; it is forgotten here."""
        ready, self._ready = self._ready, []
        return ready

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        self._quiet_bytes = 0
        self._depth += 1
        if self._depth > self._limits.depth:
            raise InvalidDocument(_line(self), f"elements lie deeper than {self._limits.depth}")
        if self._namespace is None:
            self._find_root(tag)
            return
        if not self._path:
            self._refuse_second(tag)
            return
        name = self._names.get(tag) or self._named(tag)
        if self._open or len(self._path) == PIECE_LEVEL:
            self._begin(name, attributes)
            return
        # of bodies there is one, of statements in it any number
        self._path.append(self._numbered(name) if len(self._path) > 1 else name)
        self._numbers.append({})
        self._ready.append(self._part("opened", name, None))

    def data(self, text: str) -> None:
        """Text; only that of pieces is of interest."""
        if self._open:
            self._text.append(text)

    def end(self, tag: str) -> None:
        """An element ends."""
        self._quiet_bytes = 0
        self._depth -= 1
        if self._open:
            element = self._open.pop()
            element.text = "".join(self._text).strip()
            self._text.clear()
            if not self._open:
                self._ready.append(self._part("piece", element.name, element))
        elif self._path:
            name = self._path[-1].partition("[")[0]
            self._ready.append(self._part("closed", name, None))
            self._path.pop()
            self._numbers.pop()

    def close(self) -> None:
        """The document is whole."""

    def _find_root(self, tag: str) -> None:
        """Envelopes around the message are passed over."""
        namespace, _, name = tag.rpartition("}")
        if name == ROOT:
            self.seen = True
            self._namespace = namespace.removeprefix("{")
            self._path = [ROOT]
            self._numbers = [{}]

    def _refuse_second(self, tag: str) -> None:
        if tag.rpartition("}")[2] == ROOT:
            raise InvalidDocument(_line(self), f"there is a second {ROOT}: send one message per file")

    def _named(self, tag: str) -> str:
        namespace, _, name = tag.rpartition("}")
        known = name if namespace.removeprefix("{") == self._namespace else tag
        return self._names.setdefault(tag, known)

    def _numbered(self, name: str) -> str:
        numbers = self._numbers[-1]
        numbers[name] = numbers.get(name, 0) + 1
        return f"{name}[{numbers[name]}]"

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        element = Element(name, attributes, self.expat.CurrentLineNumber)
        self._text.clear()
        if self._open:
            self._open[-1].children.append(element)
            self._elements += 1
            if self._elements > self._limits.piece_elements:
                raise InvalidDocument(_line(self), f"one piece has more than {self._limits.piece_elements} elements")
        else:
            self._elements = self._piece_bytes = 0
        self._open.append(element)

    def _part(self, kind: Literal["opened", "piece", "closed"], name: str, element: Element | None) -> Part:
        place = "/".join(self._path[1:])
        return Part(kind, place, name, len(self._path) - 1 + (kind == "piece"), element, self._namespace or "")
