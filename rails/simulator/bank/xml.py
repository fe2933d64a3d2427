"""Small words for writing XML with the standard library. What XML cannot carry is left out of texts."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Final

NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def document(namespace: str) -> ET.Element:
    """A Document of a message's namespace, as the default namespace: that is how banks write it."""
    return ET.Element("Document", {"xmlns": namespace})


def child(parent: ET.Element, name: str, text: str | None = None, **attributes: str) -> ET.Element:
    """A new last child."""
    element = ET.SubElement(parent, name, attributes)
    if text is not None:
        element.text = NOT_IN_XML.sub("", text)
    return element


def text_of(root: ET.Element) -> str:
    """The whole document, indented, with its declaration."""
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"
