"""The rules: what may happen, in any order."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.stateful.domain import Account, Entry, Household
from tests.stateful.oracle import Documents
from tests.stateful.world import Kind, Node, World

__all__ = ["Machine", "profile"]

T = TypeVar("T")
LIMITS: Mapping[Kind, int] = {"projector": 2, "relay": 2, "hub": 2, "app": 1, "web": 1}

BANKS, ACCOUNTS, MEMBERS, HOUSEHOLDS = ("b1", "b2"), ("a1", "a2", "a3"), ("m1", "m2", "m3", "m4"), ("h1", "h2")
ENTRIES = ("e1", "e2", "e3", "e4", "e5")
NAMES = st.sampled_from(["Ada", "Bo", "Cy"])
BEGINNINGS: list[tuple[Kind, ...]] = [
    ("projector", "relay", "hub"),
    ("projector", "hub"),
    ("projector", "relay", "hub", "hub"),
    ("projector", "web"),
    ("app",),
    ("app", "projector", "hub"),
]
WHICH = st.integers(0, 11)
"""Which of those who are there, counted round. Who is there depends on when somebody dies: no draw may."""
KEYS = st.one_of(
    st.tuples(st.just("AccountPage"), st.sampled_from(ACCOUNTS)),
    st.tuples(st.just("HouseholdPage"), st.sampled_from(HOUSEHOLDS)),
    st.tuples(st.just("BankPage"), st.sampled_from(BANKS)),
    st.tuples(st.just("SavingsPage"), st.sampled_from(ACCOUNTS)),
    st.tuples(st.just("Comparison"), st.sampled_from(["a1:a2", "a2:a3", "a1:a1", "a3:nobody"])),
    st.tuples(st.sampled_from(["AccountPage", "HouseholdPage"]), st.just("nobody")),
)

Change = Callable[[dict[str, Mapping[str, Any]]], object]
"""Changes documents, in a dictionary."""


def _put(path: str, **data: Any) -> Change:
    return lambda documents: documents.__setitem__(path, data)


def _drop(path: str) -> Change:
    return lambda documents: documents.pop(path, None)


def _account(id: str, bank: str, rate: int, goal: int | None) -> Change:
    data: dict[str, Any] = {"bank": f"banks/{bank}", "rate": rate, "balance": 0}
    kind = {"objType": "Account"} if goal is None else {"objType": "SavingsAccount", "goal": goal}
    return _put(f"accounts/{id}", **data, **kind)


def _entry(id: str, account: str, amount: int) -> Change:
    return _put(f"entries/{id}", account=f"accounts/{account}", amount=amount, objType="Entry")


def _member(id: str, name: str, household: str, account: str | None, interests: list[str]) -> Change:
    path = None if account is None else f"accounts/{account}"
    return _put(
        f"members/{id}", name=name, household=f"households/{household}", account=path, interests=interests, objType="Member"
    )


CHANGES: st.SearchStrategy[Change] = st.one_of(
    st.builds(lambda id, name: _put(f"banks/{id}", name=name, objType="Bank"), st.sampled_from(BANKS), NAMES),
    st.builds(
        _account,
        st.sampled_from(ACCOUNTS),
        st.sampled_from(BANKS),
        st.sampled_from([1, 1, 2, 0]),
        st.none() | st.integers(0, 9),
    ),
    st.builds(_entry, st.sampled_from(ENTRIES), st.sampled_from(ACCOUNTS), st.integers(-5, 9)),
    st.builds(_entry, st.sampled_from(ENTRIES), st.sampled_from(ACCOUNTS), st.integers(-5, 9)),
    st.builds(
        _member,
        st.sampled_from(MEMBERS),
        NAMES,
        st.sampled_from(HOUSEHOLDS),
        st.none() | st.sampled_from(ACCOUNTS),
        st.lists(NAMES, max_size=2, unique=True),
    ),
    st.builds(lambda id, name: _put(f"households/{id}", name=name, objType="Household"), st.sampled_from(HOUSEHOLDS), NAMES),
    st.builds(
        _drop,
        st.one_of(
            *(
                st.sampled_from([f"{collection}/{id}" for id in ids])
                for collection, ids in (
                    ("banks", BANKS),
                    ("accounts", ACCOUNTS),
                    ("members", MEMBERS),
                    ("households", HOUSEHOLDS),
                    ("entries", ENTRIES),
                )
            )
        ),
    ),
)


def changed(before: Documents, changes: list[Change]) -> dict[str, Mapping[str, Any]]:
    """The documents after these changes, and with every balance what its entries come to."""
    documents = dict(before)
    for change in changes:
        change(documents)
    for path, data in documents.items():
        if path.startswith("accounts/"):
            total = sum(
                one["amount"] for entry, one in documents.items() if entry.startswith("entries/") and one["account"] == path
            )
            if data["balance"] != total:
                documents[path] = {**data, "balance": total}
    return documents


class Machine(RuleBasedStateMachine):
    """One example: a world of its own, and whatever the rules do to it."""

    def __init__(self, datastore_url: str, broadcast_url: str) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._urls = (datastore_url, broadcast_url)
        self._failed = False
        self._world: World | None = None

    @property
    def world(self) -> World:
        assert self._world is not None
        return self._world

    @initialize(
        seed=st.integers(0, 2**32 - 1),
        silent=st.booleans(),
        kinds=st.sampled_from(BEGINNINGS),
        changes=st.lists(CHANGES, min_size=5, max_size=15),
        looked_at=st.lists(KEYS, min_size=2, max_size=6, unique=True),
    )
    def begin(
        self, seed: int, silent: bool, kinds: tuple[Kind, ...], changes: list[Change], looked_at: list[tuple[str, str]]
    ) -> None:
        self._world = World(*self._urls, seed, silent=silent)
        self._run(self.world.open())
        self._run(self.world.commit(changed({}, changes), merge=False))
        for kind in kinds:
            self._run(self.world.start(kind))
        for index, key in enumerate(looked_at):
            for node in self.one_of(self.hubs(), index):
                self._run(self.world.watch(node, key, 0, graphql=index % 3 == 0, wait=True))

    # Changes

    @rule(changes=st.lists(CHANGES, min_size=1, max_size=5), merge=st.booleans())
    def change(self, changes: list[Change], merge: bool) -> None:
        self._run(self.world.commit(changed(self.world.history.present, changes), merge=merge))

    @rule(
        path=st.sampled_from(
            [f"{name}/{id}" for name, ids in (("accounts", ACCOUNTS), ("households", HOUSEHOLDS)) for id in ids]
        ),
        before=st.integers(0, 8),
    )
    def remove_a_root(self, path: str, before: int) -> None:
        self._run(self.world.pass_turns(before))
        self._run(self.world.commit(changed(self.world.history.present, [_drop(path)]), merge=False))

    @rule(changes=st.lists(CHANGES, min_size=1, max_size=2), which=WHICH)
    def change_what_a_lost_connection_does_not_tell(self, changes: list[Change], which: int) -> None:
        """A listener is held, and goes on with what there is by then."""
        for node in self.one_of([node for node in self.world.nodes if node.kind != "hub"], which):
            node.link.hold()
            self._run(self.world.commit(changed(self.world.history.present, changes), merge=False))
            self._run(self.world.pass_turns(3))
            node.link.let_go()

    @rule(account=st.sampled_from(ACCOUNTS), amounts=st.lists(st.integers(1, 9), min_size=1, max_size=3))
    def deposit_at_once(self, account: str, amounts: list[int]) -> None:
        async def deposit(amount: int) -> None:
            found = await Account.get(account)
            if found is not None:
                await found.deposit(amount)

        self._run(self.world.at_once([partial(deposit, amount) for amount in amounts]))

    @rule(of=st.sampled_from(ACCOUNTS), to=st.sampled_from(ACCOUNTS), name=NAMES)
    def move_entries_while_a_household_is_renamed(self, of: str, to: str, name: str) -> None:
        async def move() -> None:
            giver, taker = await Account.get(of), await Account.get(to)
            if giver is None or taker is None or of == to:
                return
            for entry in await Entry.where(Entry.account == giver.ref).list():
                entry.account = taker.ref
                giver.balance -= entry.amount
                taker.balance += entry.amount

        async def rename() -> None:
            async for household in Household.all():
                household.name = name

        self._run(self.world.at_once([move, rename]))

    @rule(account=st.sampled_from(ACCOUNTS), amount=st.integers(1, 9), which=WHICH)
    def deposit_over_graphql(self, account: str, amount: int, which: int) -> None:
        for node in self.one_of(self.apps(), which):
            self._run(self._mutate(node, "deposit", account, amount))

    @rule(account=st.sampled_from(ACCOUNTS), which=WHICH)
    def close_over_graphql(self, account: str, which: int) -> None:
        for node in self.one_of(self.apps(), which):
            self._run(self._mutate(node, "close", account))

    @rule(household=st.sampled_from(HOUSEHOLDS), name=NAMES, which=WHICH)
    def rename_over_graphql(self, household: str, name: str, which: int) -> None:
        for node in self.one_of(self.apps(), which):
            self._run(self._mutate(node, "rename", household, name))

    # Looking

    @rule(key=KEYS, pace=st.sampled_from([0, 0, 20]), graphql=st.booleans(), wait=st.booleans(), which=WHICH)
    def watch(self, key: tuple[str, str], pace: int, graphql: bool, wait: bool, which: int) -> None:
        for node in self.one_of([node for node in self.hubs() if len(node.watchers) < 6], which):
            self._run(self.world.watch(node, key, pace, graphql=graphql, wait=wait))

    @rule(which=WHICH)
    def unwatch(self, which: int) -> None:
        watchers = [(node, watcher) for node in self.world.nodes for watcher in node.watchers]
        for node, watcher in self.one_of(watchers, which):
            self._run(self.world.unwatch(node, watcher))

    @rule(key=KEYS, fresh=st.booleans(), wait=st.booleans(), which=WHICH)
    def read(self, key: tuple[str, str], fresh: bool, wait: bool, which: int) -> None:
        for node in self.one_of([node for node in self.world.nodes if node.views is not None], which):
            self._run(self.world.read(node, key, fresh=fresh, wait=wait))

    @rule(key=KEYS, which=WHICH)
    def query(self, key: tuple[str, str], which: int) -> None:
        for node in self.one_of(self.apps(), which):
            self._run(self.world.query(node, key))

    # Processes

    @rule(kind=st.sampled_from(["projector", "relay", "hub", "app", "web"]))
    def start(self, kind: Kind) -> None:
        if sum(node.kind == kind for node in self.world.nodes) < LIMITS[kind]:
            self._run(self.world.start(kind))

    @rule(kill=st.booleans(), again=st.booleans(), which=WHICH)
    def end(self, kill: bool, again: bool, which: int) -> None:
        for node in self.one_of(self.world.nodes, which):
            self._run(self.world.check())
            self._run(self.world.end(node, kill=kill))
            if again:
                self._run(self.world.start(node.kind))

    @rule(calls=st.integers(1, 25), which=WHICH)
    def die_soon(self, calls: int, which: int) -> None:
        for node in self.one_of(self.world.nodes, which):
            node.link.die_after(calls)

    @rule(calls=st.integers(1, 4), after=st.booleans(), which=WHICH)
    def fail_for_a_while(self, calls: int, after: bool, which: int) -> None:
        workers = [node for node in self.world.nodes if node.kind in {"projector", "relay"}]
        for node in self.one_of(workers, which):
            node.link.fail(calls, after=after)

    @rule(which=WHICH)
    def hold(self, which: int) -> None:
        """Its listeners deliver nothing from now on."""
        for node in self.one_of(self.world.nodes, which):
            node.link.hold()

    @rule(calls=st.integers(1, 8), which=WHICH)
    def snag(self, calls: int, which: int) -> None:
        """One call that it makes soon waits, while everything else goes on."""
        for node in self.one_of(self.world.nodes, which):
            node.link.snag(calls)

    @rule(which=WHICH)
    def let_go(self, which: int) -> None:
        for node in self.one_of(self.world.nodes, which):
            node.link.let_go()

    @rule(turns=st.integers(1, 12))
    def let_it_run(self, turns: int) -> None:
        self._run(self.world.pass_turns(turns))

    @rule()
    def quiesce(self) -> None:
        self._run(self.world.quiesce())

    @invariant()
    def everything_was_so(self) -> None:
        if self._world is not None and not self._failed:
            self._run(self.world.bury())
            self._run(self.world.check())

    def teardown(self) -> None:
        try:
            if self._world is not None:
                try:
                    if not self._failed:
                        self._run(self.world.quiesce())
                finally:
                    self._runner.run(self.world.close())
        finally:
            self._runner.close()

    # Who is there

    def apps(self) -> list[Node]:
        return [node for node in self.world.nodes if node.harness is not None]

    def hubs(self) -> list[Node]:
        return [node for node in self.world.nodes if node.hub is not None]

    def one_of(self, some: Sequence[T], which: int) -> list[T]:
        """One of these; none of none."""
        return [some[which % len(some)]] if some else []

    async def _mutate(self, node: Node, what: str, id: str, argument: Any = None) -> None:
        """A mutation of an account, or of a household; what it answers is what it did."""
        history = self.world.history
        if what == "rename":
            mutation = (
                "mutation ($id: ID!, $of: String!) { updateHouseholdPage(id: $id, input: {name: $of}) { id version name } }"
            )
            path, key = f"households/{id}", ("HouseholdPage", id)
        elif what == "close":
            mutation = "mutation ($id: ID!) { accountClose(id: $id) { committedAt } }"
            path, key = f"accounts/{id}", ("AccountPage", id)
        else:
            mutation = "mutation ($id: ID!, $of: Int!) { accountDeposit(id: $id, amount: $of) { id version balance total } }"
            path, key = f"accounts/{id}", ("AccountPage", id)
        before = history.present.get(path)
        variables = {"id": id} if argument is None else {"id": id, "of": argument}
        answer = await self.world.mutate(node, mutation, variables)
        await self.world.check()
        if "errors" in answer:
            codes = {error["extensions"]["code"] for error in answer["errors"]}
            fitting = {"NOT_FOUND"} if before is None else {"BUILD_FAILED"} if before.get("rate") == 0 else set()
            assert node.link.dead or codes <= fitting, f"{answer} of {before}"
            return
        assert before is not None, answer
        after = history.present.get(path)
        if what == "close":
            assert after is None
            return
        [page] = answer["data"].values()
        version = int(page.pop("version"))
        if what == "deposit":
            assert page["balance"] == page["total"] == before["balance"] + argument
            assert version >= history.last
        else:
            assert page["name"] == argument
        history.check_state(key, version, page)

    def _run(self, work: Awaitable[T]) -> T:
        async def within() -> T:
            async with asyncio.timeout(90):
                return await work

        try:
            return self._runner.run(within())
        except BaseException:
            self._failed = True
            raise


def profile(examples: int, steps: int) -> settings:
    """So many examples of so many steps; in a long run, as many as BFF_STATEFUL_EXAMPLES and BFF_STATEFUL_STEPS say."""
    return settings(
        max_examples=int(os.environ.get("BFF_STATEFUL_EXAMPLES", examples)),
        stateful_step_count=int(os.environ.get("BFF_STATEFUL_STEPS", steps)),
        deadline=None,
        derandomize=False,
        print_blob=True,
        # What fails may fail rarely, and after a long wait: shrinking takes its time, and is for whoever asks for it.
        phases=list(Phase) if "BFF_STATEFUL_SHRINK" in os.environ else [Phase.explicit, Phase.reuse, Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )
