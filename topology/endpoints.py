"""Names of link ends, resolved: `chip3`, `chip` (all of them), `chip0-3`, `2` (device 2), `box0.nic3`, `box.nic`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from _ringtree.errors import TopologyError

from .model import Node

NUMBERED = re.compile(r"(.*?)([0-9]{1,9})", re.ASCII)
RANGE = re.compile(r"(.*?)([0-9]{1,9})-([0-9]{1,9})", re.ASCII)


class Scope:
    """The names on one board: of its nodes, and of the boards placed on it, each a scope again."""

    def __init__(self, nodes: Iterable[Node] = ()) -> None:
        self.members: dict[str, int | Scope] = {}
        self.devices: list[int] = []
        self.numbered: dict[str, list[str]] = {}
        for node in nodes:
            self.add(node.name.split("."), node)

    def add(self, path: list[str], node: Node) -> None:
        """Enter a node under its path. Raises TopologyError where the name is taken."""
        if node.kind == "device":
            self.devices.append(node.id)
        name, rest = path[0], path[1:]
        if name not in self.members:
            self.members[name] = Scope() if rest else node.id
            match = NUMBERED.fullmatch(name)
            if match:
                self.numbered.setdefault(match[1], []).append(name)
        elif not rest or isinstance(self.members[name], int):
            raise TopologyError(f"found the name {name!r} again; expected each once")
        member = self.members[name]
        if isinstance(member, Scope):
            member.add(rest, node)

    def resolve(self, text: str) -> list[int]:
        """The node ids that the text names, in the order of their numbers. Raises TopologyError."""
        *boards, last = text.split(".")
        scopes = [self]
        for part in boards:
            scopes = [member for scope in scopes for member in scope._boards(part, text)]
        return [node for scope in scopes for node in scope._nodes(last, text)]

    def _boards(self, part: str, text: str) -> list[Scope]:
        members = [self.members[name] for name in self._names(part, text)]
        boards = [member for member in members if isinstance(member, Scope)]
        if len(boards) != len(members):
            raise TopologyError(f"found {text!r}, but {part!r} is a node; expected a board before the dot")
        return boards

    def _nodes(self, part: str, text: str) -> list[int]:
        match = RANGE.fullmatch(part) or NUMBERED.fullmatch(part)
        if match and not match[1]:
            return self._devices(int(match[2]), int(match[match.lastindex or 2]), text)
        members = [self.members[name] for name in self._names(part, text)]
        nodes = [member for member in members if isinstance(member, int)]
        if len(nodes) != len(members):
            raise TopologyError(f"found {text!r}, which is a board; expected a node on it, such as '{text}.0'")
        return nodes

    def _devices(self, first: int, last: int, text: str) -> list[int]:
        if not first <= last < len(self.devices):
            raise TopologyError(f"found {text!r}; expected devices of 0..{len(self.devices) - 1}")
        return self.devices[first : last + 1]

    def _names(self, part: str, text: str) -> list[str]:
        if part in self.members:
            return [part]
        if part in self.numbered:
            return sorted(self.numbered[part], key=lambda name: int(name[len(part) :]))
        match = RANGE.fullmatch(part)
        if match and match[1] in self.numbered and int(match[2]) <= int(match[3]) < int(match[2]) + len(self.members):
            names = [f"{match[1]}{number}" for number in range(int(match[2]), int(match[3]) + 1)]
            if all(name in self.members for name in names):
                return names
        raise TopologyError(f"found the link end {text!r}, which does not exist; expected one of {self._known()}")

    def _known(self) -> str:
        single = [name for name in self.members if not NUMBERED.fullmatch(name)]
        groups = [f"{names[0]}..{names[-1]}" if len(names) > 1 else names[0] for names in self.numbered.values()]
        shown = groups + single
        return ", ".join(shown[:8]) + (", ..." if len(shown) > 8 else "")
