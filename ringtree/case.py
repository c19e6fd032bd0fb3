"""A collective that is planned on one board: the plan chosen, its runners-up, and their rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from _ringtree.errors import NoRouteError, UnsupportedError
from ringtree.rows import Request, Row

if TYPE_CHECKING:
    from _ringtree.core import Collective
    from collectives import Plan, Planner
    from collectives.planner.certificate import Certificate
    from topology import Topology


@dataclass(frozen=True)
class Case:
    """What all plans of a run on one board share."""

    request: Request
    board: Topology
    planner: Planner
    bound: Certificate | None

    @classmethod
    def of(cls, request: Request, board: Topology) -> Case:
        """The case of a request; its devices are numbers on this board."""
        from collectives import Planner
        from collectives.planner.certificate import bound_of
        from collectives.planner.placement import place

        left, placement = place(board, request.ranks, request.devices)
        try:
            bound = bound_of(left, placement, request.collective, request.root)
        except NoRouteError:
            bound = None  # the plan will say which chips are apart
        return cls(request, board, Planner(left, placement, request.cost_us), bound)

    def shape(self, nbytes: int) -> Collective:
        from collectives.planner.planning import shape_of

        r = self.request
        return shape_of(r.collective, nbytes, r.ranks, dtype=r.dtype, op=r.op, root=r.root)

    def plan(self, algorithm: str, nbytes: int) -> Plan:
        """Raises InputError where the algorithm cannot run here."""
        from collectives import parse

        return self.planner.plan(self.shape(nbytes), self.request.dtype, self.request.op, parse(algorithm))

    def ranking(self, algorithms: Sequence[str], nbytes: int) -> list[Plan]:
        """The plan chosen, then the runners-up by time.

        Of several algorithms that were asked for, the fastest is chosen and the others follow; behind a single `auto`
        the best of every other algorithm that it considers. Where one of these is faster by the half percent at which
        `auto` ends its search, it is the plan, and what `auto` chose is a runner-up under its own name.
        """
        plans = [self.plan(algorithm, nbytes) for algorithm in algorithms]
        if list(algorithms) != ["auto"]:
            return sorted(plans, key=lambda plan: plan.time_us)
        found = sorted([*plans, *self._others(plans[0], nbytes)], key=lambda plan: plan.time_us)
        named = [replace(plan, algorithm=plan.plan.partition(":")[0]) for plan in found[1:]]
        return [replace(found[0], algorithm="auto"), *named]

    def best(self, algorithms: Sequence[str], nbytes: int) -> Plan:
        """The fastest of these."""
        return min((self.plan(algorithm, nbytes) for algorithm in algorithms), key=lambda plan: plan.time_us)

    def _others(self, chosen: Plan, nbytes: int) -> Iterator[Plan]:
        from collectives import parse
        from collectives.planner.candidates import candidates

        found = candidates(self.planner, self.shape(nbytes), parse("auto"))
        names = dict.fromkeys(candidate.specification.name for candidate in found)
        for name in names:
            if name != parse(chosen.plan).name:
                try:
                    yield self.plan(name, nbytes)
                except (NoRouteError, UnsupportedError):
                    continue

    def row(self, plan: Plan, nbytes: int) -> Row:
        """The row of a plan of so many bytes."""
        return self.request.row(
            self.board, plan.algorithm, nbytes, clock="virtual", time_us=plan.time_us, plan=plan.plan,
            assumed=list(self.board.assumed),
        )  # fmt: skip
