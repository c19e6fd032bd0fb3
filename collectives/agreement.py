"""What ranks tell each other before an operation: which program, so that no two run different ones.

    rank 0    digest of its algorithm files, and its choice      (the others spend no time on choosing)
    others    digest of their algorithm files

Every rank sees what all said, so all find the same: the choice, or what was wrong on the first rank where it was. A
choice names an algorithm file by its content, since paths are long and may differ from rank to rank.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from _ringtree import errors
from _ringtree.errors import Error, InputError, MismatchError, VerificationError

from .planner.algorithm_files import digest_of
from .planner.specification import Specification, parse

MESSAGE_BYTES = 256
_ASIDE = "@"


class Proposal:
    """One rank's message, and the error that it stands for, if it does.

    asked: what this rank was asked for, or what is wrong with that; choose: what is to run, on rank 0 only.
    """

    def __init__(self, asked: Specification | InputError, choose: Callable[[Specification], str] | None) -> None:
        self.problem: Error | None = None
        self.digests: dict[str, str] = {}  # of each file, by its path
        try:
            if isinstance(asked, InputError):
                raise asked
            self.digests = {file.path: digest_of(file.path) for file in asked.files}
            choice = choose(asked) if choose else ""
            text = f"{self._summary()} {self._without_path(choice)}"
        except (InputError, VerificationError) as error:
            self.problem, text = error, f"!{type(error).__name__}!{error}"
        self.message = text.encode()[:MESSAGE_BYTES].ljust(MESSAGE_BYTES)

    def settle(self, answers: list[bytes], mine: int) -> str:
        """The choice of rank 0, in words that all ranks share. Raises the same on all ranks."""
        texts = [answer.decode(errors="ignore").rstrip() for answer in answers]  # a long text may be cut in a character
        for rank, text in enumerate(texts):
            if text.startswith("!"):
                _, error_class, what = text.split("!", 2)
                if rank == mine and self.problem:
                    raise self.problem
                raise getattr(errors, error_class)(f"rank {rank}: {what}" if rank else what)
        summary, _, choice = texts[0].partition(" ")
        for rank, text in enumerate(texts):
            if text.partition(" ")[0] != summary:
                raise MismatchError(f"algorithm: rank {rank} has other algorithm files than rank 0, or other content")
        return choice

    def here(self, choice: str) -> str:
        """The choice with this rank's own path."""
        if not choice.startswith(_ASIDE):
            return choice
        digest, colon, parameters = choice[len(_ASIDE) :].partition(":")
        path = next(path for path, its in self.digests.items() if its == digest)
        return f"file:{path}{colon}{parameters}"

    def _summary(self) -> str:
        """What stands for all files of a rank; empty where there are none."""
        together = "".join(self.digests.values()).encode()
        return hashlib.blake2b(together, digest_size=16).hexdigest() if together else ""

    def _without_path(self, choice: str) -> str:
        if not choice.startswith("file:"):
            return choice
        specification = parse(choice)
        parameters = "".join(f":{key}={value}" for key, value in specification.parameters)
        return f"{_ASIDE}{self.digests[specification.path]}{parameters}"
