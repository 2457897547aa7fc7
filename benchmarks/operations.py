"""The GraphQL operations that are measured over HTTP: what is asked, with which variables, and what the right answer is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import data, prepared
from benchmarks.prepared import Object

__all__ = ["AGENDA", "ATTEND", "OPERATIONS", "REGION", "SESSION", "UNKNOWN", "Operation", "without_cursors"]

DIFFERENT = 100
"""How many requests the load goes round."""

IN_SESSION = ("id", "title", "address", "latitude", "longitude", "inSession", "numAttending", "attending")
IN_LIST = ("id", "title", "address", "numAttending", "inSession")


@dataclass(frozen=True, slots=True)
class Operation:
    """``answer`` is the ``data`` of the right answer to these variables. ``writes`` says that the answers depend on the past.

    With ``texts``, it is sent in so many different texts: in each, its field has another alias.
    """

    name: str
    document: str
    variables: Sequence[Object]
    answer: Callable[[Object], Object]
    writes: bool = False
    texts: int = 0

    def requests(self) -> Iterator[tuple[Object, Object]]:
        """Each body that the load sends, and the ``data`` that is the right answer to it."""
        for turn in range(self.texts or len(self.variables)):
            variables = self.variables[turn % len(self.variables)]
            document, answer = self.document, self.answer(variables)
            if self.texts:
                [field] = answer
                answer = {f"alias{turn:06}": answer[field]}
                document = document.replace(f"{field}(", f"alias{turn:06}: {field}(", 1)
            yield {"query": document, "operationName": self.name, "variables": variables}, answer

    def write_bodies(self, path: Path) -> Path:
        """One request body a line, for the load generators."""
        path.write_text("".join(json.dumps(body, separators=(",", ":")) + "\n" for body, _ in self.requests()))
        return path


MEETINGS = prepared.meetings()
PERSONS = prepared.persons()


def _picked(meeting: Object, names: Sequence[str]) -> Object:
    return {name: meeting[name] for name in names}


def _session(variables: Object) -> Object:
    return {"meetingSession": _picked(MEETINGS[variables["id"]], IN_SESSION)}


def _region(variables: Object) -> Object:
    found = [meeting for meeting in MEETINGS.values() if meeting["region"] == variables["region"]]
    page = found[: variables["first"]]
    return {
        "meetingSessions": {
            "edges": [{"cursor": meeting["cursor"], "node": _picked(meeting, IN_LIST)} for meeting in page],
            "pageInfo": {
                "hasNextPage": len(found) > len(page),
                "hasPreviousPage": False,
                "startCursor": page[0]["cursor"],
                "endCursor": page[-1]["cursor"],
            },
        }
    }


def _agenda(variables: Object) -> Object:
    person = PERSONS[variables["id"]]
    meetings = [_picked(MEETINGS[id], IN_LIST) for id in person["meetings"]]
    return {"personAgenda": {"id": person["id"], "name": person["name"], "meetings": meetings}}


def _attend(variables: Object) -> Object:
    meeting = MEETINGS[variables["ticket"].partition("-")[0]]
    place = meeting["tickets"].index(variables["ticket"])
    here = [one for number, one in enumerate(meeting["attending"]) if variables["attending"] or number != place]
    return {"setAttendance": {**_picked(meeting, IN_SESSION), "numAttending": len(here), "attending": here}}


ATTENDEES = "attending { name organization hearingAidRequested }"
SCREEN = f"id title address latitude longitude inSession numAttending {ATTENDEES}"

SESSION = Operation(
    "Session",
    f"query Session($id: ID!) {{ meetingSession(id: $id) {{ {SCREEN} }} }}",
    [{"id": f"m{number:06}"} for number in range(DIFFERENT)],
    _session,
)
# More texts than any of the caches holds: each request is of one that is not known any more.
UNKNOWN = replace(SESSION, texts=3_000)
REGION = Operation(
    "Region",
    """query Region($region: String!, $first: Int!) {
  meetingSessions(filter: {region: {eq: $region}}, first: $first) {
    edges { cursor node { id title address numAttending inSession } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}""",
    [{"region": region, "first": 50} for region in data.REGIONS],
    _region,
)
AGENDA = Operation(
    "Agenda",
    "query Agenda($id: ID!) { personAgenda(id: $id) { id name meetings { id title address numAttending inSession } } }",
    [{"id": f"p{number:06}"} for number in range(DIFFERENT)],
    _agenda,
)
# Somebody leaves each of 100 meetings, and then comes again to each: no two requests at a time are about the same ticket.
ATTEND = Operation(
    "Attend",
    "mutation Attend($ticket: ID!, $attending: Boolean!) {"
    f" setAttendance(ticketId: $ticket, attending: $attending) {{ {SCREEN} }} }}",
    [{"ticket": f"m{number:06}-t04", "attending": attending} for attending in (False, True) for number in range(DIFFERENT)],
    _attend,
    writes=True,
)
OPERATIONS = {operation.name: operation for operation in (SESSION, REGION, AGENDA, ATTEND)}


def without_cursors(answer: Any) -> Any:
    """The answer with each cursor replaced by whether it is a text that is not empty: what a cursor says is each server's own."""
    if isinstance(answer, list):
        return [without_cursors(part) for part in answer]
    if isinstance(answer, dict):
        return {
            name: bool(isinstance(value, str) and value) if name.lower().endswith("cursor") else without_cursors(value)
            for name, value in answer.items()
        }
    return answer
