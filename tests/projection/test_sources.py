"""What a mediator reacts to: documents that match, and documents of one name under any parent."""

from __future__ import annotations

import pytest

from bff.datastore.port import Datastore, Set
from bff.errors import DeclarationError
from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.mediator import Mediator, source
from bff.projection.handling import HandlingOptions
from bff.projection.mediation import Mediation
from tests.projection.support import delete, everything, get, write

pytestmark = pytest.mark.anyio

QUICK = HandlingOptions(save_seconds=0.01)
CALLS: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_called() -> None:
    CALLS.clear()


class Job(DomainModel, collection="jobs"):
    state: str
    title: str = ""


class Clerk(Mediator):
    waiting = source(Job, where=Job.state == "waiting")
    every = source(Job)

    @waiting.on_create
    def come(self, job: Job) -> None:
        CALLS.append(f"+{job.id}")

    @waiting.on_update
    def stay(self, job: Job) -> None:
        CALLS.append(f"={job.id} {job.title}")

    @waiting.on_delete
    def go(self, job: Job) -> None:
        CALLS.append(f"-{job.id} {job.state}")

    @every.on_change
    def any(self, job: Job) -> None:
        CALLS.append(f"~{job.id}")


async def calls(mediation: Mediation, timepoint: int) -> list[str]:
    await mediation.wait_for(timepoint)
    made = sorted(CALLS)
    CALLS.clear()
    return made


async def test_a_document_that_begins_to_match_is_created_and_one_that_ceases_is_deleted(datastore: Datastore) -> None:
    await write(datastore, Job(id="old", state="waiting"), Job(id="other", state="done"))
    async with Mediation(datastore, Catalog.of([], [Clerk]), QUICK) as mediation:
        assert await calls(mediation, await write(datastore, Job(id="a", state="new"))) == ["+old", "~a", "~old", "~other"]
        assert await calls(mediation, await write(datastore, Job(id="a", state="waiting"))) == ["+a", "~a"]
        assert await calls(mediation, await write(datastore, Job(id="a", state="waiting", title="T"))) == ["=a T", "~a"]
        assert await calls(mediation, await write(datastore, Job(id="a", state="done"))) == ["-a waiting", "~a"]
        assert await calls(mediation, await write(datastore, Job(id="a", state="waiting"))) == ["+a", "~a"]
    # What happens while nobody is there is seen afterwards.
    await write(datastore, Job(id="a", state="done"))
    await delete(datastore, "jobs/old")
    async with Mediation(datastore, Catalog.of([], [Clerk]), QUICK) as mediation:
        made = await calls(mediation, await write(datastore, Job(id="b", state="new")))
    assert made == ["-a waiting", "-old waiting", "~a", "~b", "~old"]


async def test_documents_that_do_not_match_leave_no_note(datastore: Datastore) -> None:
    class Taker(Mediator):
        waiting = source(Job, where=Job.state == "waiting")

        @waiting.on_create
        def take(self, job: Job) -> None:
            CALLS.append(f"+{job.id}")
            job.state = "taken"

        @waiting.on_delete
        def gone(self, job: Job) -> None:
            CALLS.append(f"-{job.id}")

    async with Mediation(datastore, Catalog.of([], [Taker]), QUICK) as mediation:
        first = await write(datastore, Job(id="a", state="waiting"), Job(id="b", state="new"))
        assert await calls(mediation, first) == ["+a"]
        assert ((await get(datastore, "jobs/a")).data or {})["state"] == "taken"
        # That it ceased to match is the trigger's own doing: it is called for that no more.
        assert await calls(mediation, await write(datastore, Job(id="b", state="newer"))) == []
        assert not await everything(datastore, "_bff_mediators")
        assert await calls(mediation, await write(datastore, Job(id="a", state="waiting"))) == ["+a"]


class Note(DomainModel, collection="notes"):
    text: str
    read: bool = False


class Reader(Mediator):
    notes = source(Note, group=True)

    @notes.on_create
    def see(self, note: Note) -> None:
        CALLS.append(f"+{note.path}")
        note.read = True

    @notes.on_delete
    def lose(self, note: Note) -> None:
        CALLS.append(f"-{note.path}")


async def test_a_group_is_followed_under_every_parent(datastore: Datastore) -> None:
    data = Note(id="n", text="T").to_data()
    paths = ["notes/n", "users/u1/notes/n", "users/u2/notes/n", "a/b/c/d/notes/n"]
    await datastore.commit([Set(path, data) for path in paths[:2]])
    async with Mediation(datastore, Catalog.of([], [Reader]), QUICK) as mediation:
        commit = await datastore.commit([*(Set(path, data) for path in paths[2:]), Set("users/u1/others/n", data)])
        assert await calls(mediation, commit.timepoint) == sorted(f"+{path}" for path in paths)
        for path in paths:
            assert (await get(datastore, path)).data == {**data, "read": True}
        assert await calls(mediation, await delete(datastore, paths[1])) == [f"-{paths[1]}"]


def test_what_is_declared_wrongly_is_refused() -> None:
    with pytest.raises(DeclarationError, match="where= takes a condition over attributes of Job"):

        class Wrong(Mediator):
            jobs = source(Job, where=True)

            @jobs.on_create
            def see(self, job: Job) -> None: ...

    with pytest.raises(DeclarationError, match="it reacts to Job, and its where= asks Note"):

        class Other(Mediator):
            jobs = source(Job, where=Note.read == True)  # noqa: E712

            @jobs.on_create
            def see(self, job: Job) -> None: ...


class Letter(DomainModel, collection="letters"):
    to: str


async def test_what_a_source_that_is_new_has_is_created_also_what_former_code_has_passed(datastore: Datastore) -> None:
    """Former code of the mediator does not follow it, and saves the checkpoint: before the deploy, and after a rollback."""

    def former() -> type[Mediator]:
        class Porter(Mediator):
            jobs = source(Job)

            @jobs.on_change
            def job(self, job: Job) -> None:
                CALLS.append(f"job {job.id} {job.state}")

        return Porter

    class Porter(Mediator):
        jobs = source(Job)
        letters = source(Letter)

        @jobs.on_change
        def job(self, job: Job) -> None:
            CALLS.append(f"job {job.id} {job.state}")

        @letters.on_create
        def letter(self, letter: Letter) -> None:
            CALLS.append(f"letter {letter.id}")

    async def life(mediator: type[Mediator], *documents: DomainModel) -> list[str]:
        async with Mediation(datastore, Catalog.of([], [mediator]), QUICK) as mediation:
            return await calls(mediation, await write(datastore, *documents))

    await write(datastore, Letter(id="first", to="you"))
    assert await life(former(), Job(id="a", state="new"), Job(id="b", state="new")) == ["job a new", "job b new"]
    assert await life(Porter, Job(id="c", state="new")) == ["job c new", "letter first"]
    await write(datastore, Letter(id="second", to="you"))
    assert await life(former(), Job(id="a", state="done")) == ["job a done"]
    await delete(datastore, "jobs/b")
    assert await life(Porter, Job(id="d", state="new")) == ["job b new", "job d new", "letter second"]
    assert await life(Porter, Letter(id="third", to="you")) == ["letter third"]
