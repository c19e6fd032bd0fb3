"""XML text into plain elements that know their line and column; DTDs, entities and oversized trees are refused."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.sax.handler import ContentHandler

from _ringtree.errors import TopologyError

from .yamlread import Place, fail

MAX_ELEMENTS = 200_000
MAX_DEPTH = 64

# SimGrid's files name their DTD; nobody fetches it, and everything else that a DOCTYPE can say is refused.
HARMLESS_DOCTYPE = re.compile(r"""<!DOCTYPE\s+platform\s+SYSTEM\s+("[^"<>]*"|'[^'<>]*')\s*>""")


@dataclass(slots=True)
class Element(Place):
    tag: str
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)

    def get(self, name: str) -> str:
        """An attribute, "" where it is missing."""
        return self.attributes.get(name, "")


def read(text: str, label: str) -> Element:
    """The root element. Raises TopologyError with label, line and column."""
    import xml.sax

    import defusedxml.common
    import defusedxml.sax

    builder = _Builder(label)
    source = xml.sax.InputSource()
    source.setEncoding("utf-8")  # whatever its declaration says: it has been decoded already
    text = HARMLESS_DOCTYPE.sub(lambda found: re.sub(r"\S", " ", found[0]), text, count=1)
    source.setByteStream(io.BytesIO(text.encode()))
    try:
        defusedxml.sax.parse(source, builder, forbid_dtd=True)
    except defusedxml.common.DefusedXmlException as error:
        found = "entities" if isinstance(error, defusedxml.common.EntitiesForbidden) else "a DTD"
        fail(label, builder.place(), f"found {found}; expected elements only")
    except xml.sax.SAXParseException as error:
        place = Place(error.getLineNumber() or 1, (error.getColumnNumber() or 0) + 1)
        fail(label, place, f"not XML: {error.getMessage()}")
    if builder.root is None:
        raise TopologyError(f"{label}: found no element; expected <system> or <platform>")
    return builder.root


class _Builder(ContentHandler):
    def __init__(self, label: str) -> None:
        super().__init__()
        self.label = label
        self.root: Element | None = None
        self.open: list[Element] = []
        self.count = 0
        self.locator: Any = None

    def setDocumentLocator(self, locator: Any) -> None:
        self.locator = locator

    def place(self) -> Place | None:
        if self.locator is None or self.locator.getLineNumber() is None:
            return None
        return Place(self.locator.getLineNumber(), self.locator.getColumnNumber() + 1)

    def startElement(self, name: str, attrs: Mapping[str, str]) -> None:  # type: ignore[override]
        place = self.place() or Place(1, 1)
        self.count += 1
        if self.count > MAX_ELEMENTS or len(self.open) > MAX_DEPTH:
            wanted = f"at most {MAX_ELEMENTS} elements, {MAX_DEPTH} levels deep"
            fail(self.label, place, f"found too much; expected {wanted}")
        element = Element(place.line, place.column, name, dict(attrs.items()))
        if self.open:
            self.open[-1].children.append(element)
        else:
            self.root = element
        self.open.append(element)

    def endElement(self, name: str) -> None:
        self.open.pop()
