"""What the pages hold: fenced blocks with the output they promise, and links.

```sh and ```sql blocks are run, in order. `exit=N` behind the language names the status that a block must end with. An
```output block behind one promises lines: each must come in the output, in this order, `…` standing for anything;
how much space there is between words does not matter.
Every other language is only shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUN = ("sh", "sql")
_FENCE = re.compile(r"^```(\S*) ?(.*)$")
_INDENTED = re.compile(rf"^\s+```({'|'.join(RUN)})\b")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass
class Block:
    """A block that is run; `line` is where its text begins."""

    page: Path
    line: int
    language: str
    text: str
    status: int = 0
    promised: list[str] = field(default_factory=list)

    @property
    def place(self) -> str:
        """Where to find it."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Every page that a person reads, the README first."""
    front = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONVENTIONS.md")]
    return [*front, *sorted((ROOT / "docs").rglob("*.md"))]


def fences(page: Path) -> list[tuple[int, str, str, str]]:
    """Line, language, attributes and text of every fenced block of a page."""
    found: list[tuple[int, str, str, str]] = []
    opened: tuple[int, str, str] | None = None
    text: list[str] = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        assert not _INDENTED.match(line), f"{page.name}:{number}: an indented block would be run by nobody"
        fence = _FENCE.match(line)
        if opened is None and fence is not None:
            opened, text = (number + 1, fence.group(1), fence.group(2)), []
        elif opened is not None and line == "```":
            found.append((*opened, "\n".join(text) + "\n"))
            opened = None
        elif opened is not None:
            text.append(line)
    assert opened is None, f"{page.name}: a block is not closed"
    return found


def blocks(page: Path) -> list[Block]:
    """The blocks of a page that are run, with what they promise."""
    found: list[Block] = []
    for line, language, attributes, text in fences(page):
        if language in RUN:
            status = re.fullmatch(r"exit=(\d+)", attributes)
            assert status or not attributes, f"{page.name}:{line}: {attributes} means nothing"
            found.append(Block(page, line, language, text, int(status.group(1)) if status else 0))
        elif language == "output":
            found[-1].promised += [promised for promised in text.splitlines() if promised.strip()]
    return found


def broken_promise(block: Block, output: str) -> str | None:
    """The first promised line that did not come in its turn; None when all did."""
    lines = iter(" ".join(line.split()) for line in output.splitlines())
    for promised in block.promised:
        pattern = re.compile(".*".join(re.escape(part) for part in " ".join(promised.split()).split("…")))
        if not any(pattern.fullmatch(line) for line in lines):
            return promised
    return None


def broken_links(page: Path) -> list[str]:
    """Links of a page to files or headings that are not there."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    broken = []
    for link in _LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(link)
    return broken


def _anchors(page: Path) -> set[str]:
    headings = _HEADING.findall(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
