"""Algorithm files as programs: read, proved before their first use, and the proof kept by content.

A file runs at any size and on any board with enough chips, whatever it was made for; minBytes and maxBytes count only
where it is one of several (several.py), as MSCCL's scheduler takes them.
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from _ringtree.core import Collective, Program, Recipe, verify
from _ringtree.errors import InputError, VerificationError

from .planfile import collective_of, is_plan, recipe_digest, recipe_for
from .specification import Specification

if TYPE_CHECKING:
    from ..msccl import Algorithm, Form

MOST_BYTES = 64 * 2**20
KEPT = 256

_read: OrderedDict[str, Algorithm] = OrderedDict()
_proved: OrderedDict[tuple[object, ...], Form | str] = OrderedDict()  # how its buffers are taken, or what is wrong


@dataclass(frozen=True)
class AlgorithmFile:
    """A file that was read; `digest` of its content."""

    path: str
    digest: str
    algorithm: Algorithm

    def takes(self, nbytes: int) -> bool:
        """Whether the size is one of those that its author meant it for."""
        return self.algorithm.least_bytes <= nbytes <= self.algorithm.most_bytes


def load(path: str) -> AlgorithmFile:
    """Read the file, however often; what has been read before is not parsed again. Raises InputError."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            data = b"" if size > MOST_BYTES else file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if max(size, len(data)) > MOST_BYTES:
        raise InputError(f"{path}: found {max(size, len(data))} bytes; expected at most {MOST_BYTES}")
    digest = hashlib.blake2b(data, digest_size=16).hexdigest()
    if digest not in _read:
        from ..msccl import read_algorithm

        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: found byte {error.start} that is not UTF-8; expected text") from None
        _keep(_read, digest, read_algorithm(text, os.path.basename(path)))
    return AlgorithmFile(path, digest, _read[digest])


def choose(asked: Specification, collective: Collective) -> str:
    """The full specification of a file. UnsupportedError where it is for another collective, or for other ranks."""
    from ..msccl import require_made_for
    from ..msccl.lower import DEPTH

    if is_plan(asked.path):
        return str(asked)
    algorithm = load(asked.path).algorithm
    require_made_for(algorithm, collective)
    values = {"chunks": asked.get("chunks") or 1, "depth": asked.get("depth") or algorithm.depth or DEPTH}
    return str(Specification("file", tuple(values.items()), asked.path))


def kind_of(path: str) -> str:
    """The collective that the file is for."""
    return collective_of(path) if is_plan(path) else load(path).algorithm.kind


def digest_of(path: str) -> str:
    """Of the file's content."""
    return recipe_digest(path) if is_plan(path) else load(path).digest


def program_of(asked: Specification, collective: Collective) -> tuple[Program, Recipe | None, str]:
    """The program of a full specification, right out of place and in place; a plan's recipe; the content's digest.

    Raises VerificationError for a file that is wrong, UnsupportedError for one that is not made for the collective.
    """
    from ..msccl import lower, require_made_for

    if is_plan(asked.path):
        recipe = recipe_for(asked.path, collective)
        return Program.build(collective, recipe), recipe, digest_of(asked.path)
    file, pieces, depth = load(asked.path), asked.get("chunks") or 1, asked.get("depth") or 1
    algorithm = file.algorithm
    require_made_for(algorithm, collective)
    # Where chunks are of one length, what is right with one element in each is so with any number.
    even = Collective(collective.kind, collective.ranks, algorithm.chunks * pieces, collective.root)
    form = _form(file, even, pieces, depth)
    program = lower(algorithm, collective, form, depth=depth, pieces=pieces)
    if collective.count % algorithm.chunks:
        key = (file.digest, collective, pieces, depth)
        _once(algorithm, key, lambda: _require_right(program, form), plain=False)
    return program, None, file.digest


def _form(file: AlgorithmFile, shape: Collective, pieces: int, depth: int) -> Form:
    """How the file's buffers are taken, so that the program is right in both ways of calling it."""
    from ..msccl import Form, lower

    def right(form: Form) -> Form:
        return _require_right(lower(file.algorithm, shape, form, depth=depth, pieces=pieces), form)

    def find() -> Form:
        if not file.algorithm.out_of_place:
            return right(Form.SHARED)
        try:
            return right(Form.AS_IS)
        except VerificationError:
            if file.algorithm.in_place:
                raise
            return right(Form.ASIDE)

    return _once(file.algorithm, (file.digest, shape, pieces, depth), find, plain=pieces == 1)


def _require_right(program: Program, form: Form) -> Form:
    """all_to_all is never called in place: its input is copied first."""
    for in_place in (False, True) if program.collective.kind != "all_to_all" else (False,):
        verify(program, in_place=in_place)
    return form


def _once(algorithm: Algorithm, key: tuple[object, ...], prove: Callable[[], Form], *, plain: bool) -> Form:
    """What was found the first time, right or wrong. plain: as explain() takes it."""
    from ..msccl import explain

    if key not in _proved:
        try:
            found: Form | str = prove()
        except VerificationError as problem:
            found = explain(algorithm, problem, plain=plain)
        _keep(_proved, key, found)
    answer = _proved[key]
    if isinstance(answer, str):
        raise VerificationError(answer)
    return answer


def _keep(where: OrderedDict[Any, Any], key: object, value: object) -> None:
    where[key] = value
    if len(where) > KEPT:
        where.popitem(last=False)
