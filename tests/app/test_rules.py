"""``bff rules``: what Firestore lets a client read directly is what GraphQL shows to the same user."""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from bff import App, DomainModel, Store, ViewModel, field, reference
from bff.cli import cli
from bff.errors import SettingsError
from bff.model.readers import tokens_of
from bff.principal import ANONYMOUS, MAX_GROUPS, Principal
from bff.rules.security_rules import Claims, security_rules
from tests.app.clinic import PEOPLE
from tests.app.test_readers import EVERYBODY, SEEN_BY, ask, listed, running

pytestmark = pytest.mark.anyio


class Note(DomainModel, collection="notes"):
    text: str


class NoteStore(Store):
    note = reference(Note)


class PublicNote(ViewModel):
    store: NoteStore

    @field
    def text(self) -> str:
        return self.store.note.text


app = App(views=[PublicNote])


def token(principal: Principal) -> dict[str, str]:
    """As Firebase's emulators take it: not signed (https://firebase.google.com/docs/emulator-suite/connect_auth)."""
    if not principal.is_signed_in:
        return {}
    now = int(time.time())
    claims: dict[str, Any] = {"sub": principal.id, "iat": now, "exp": now + 3600, "groups": sorted(principal.groups)}
    if principal.tenant is not None:
        claims["firebase"] = {"tenant": principal.tenant}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "none"}, claims)]
    return {"Authorization": f"Bearer {'.'.join(parts)}."}


class Direct:
    """A browser that reads Firestore itself, over its REST interface."""

    def __init__(self, client: httpx.AsyncClient, project: str) -> None:
        self._client = client
        self._documents = f"/v1/projects/{project}/databases/(default)/documents"
        self._rules = f"/emulator/v1/projects/{project}:securityRules"

    async def load(self, rules: str) -> None:
        response = await self._client.put(self._rules, json={"rules": {"files": [{"name": "rules", "content": rules}]}})
        assert response.status_code == 200, response.text

    async def get(self, path: str, principal: Principal) -> int:
        return (await self._client.get(f"{self._documents}/{path}", headers=token(principal))).status_code

    async def put(self, path: str, principal: Principal) -> int:
        response = await self._client.patch(f"{self._documents}/{path}", json={"fields": {}}, headers=token(principal))
        return response.status_code

    async def list(self, collection: str, tokens: Sequence[str] | None, principal: Principal) -> set[str] | int:
        """The ids of the documents that one of the tokens may read; of all of them, where none are given."""
        query: dict[str, Any] = {"from": [{"collectionId": collection}]}
        if tokens is not None:
            values = {"arrayValue": {"values": [{"stringValue": one} for one in tokens]}}
            query["where"] = {"fieldFilter": {"field": {"fieldPath": "_readers"}, "op": "ARRAY_CONTAINS_ANY", "value": values}}
        url = f"{self._documents}:runQuery"
        response = await self._client.post(url, json={"structuredQuery": query}, headers=token(principal))
        if response.status_code != 200:
            return response.status_code
        return {one["document"]["name"].rpartition("/")[2] for one in response.json() if "document" in one}


async def test_graphql_and_direct_reads_agree_on_who_may_see_what(firestore_emulator: str) -> None:
    project = f"test-{uuid.uuid4().hex[:16]}"
    async with (
        running(f"firestore://{project}?emulator={firestore_emulator}") as run,
        httpx.AsyncClient(base_url=f"http://{firestore_emulator}") as client,
    ):
        direct = Direct(client, project)
        # Of this view, some fields are not all readers' to see, which rules cannot tell: it is opened as if there were none.
        rules = security_rules(run.app.catalog)
        assert await _opened(direct, rules, "PatientFile") == {403}
        view = run.app.catalog.views["PatientFile"].__view__
        whole = rules.replace("allow read: if false;", "allow read: if resource.data._readers.hasAny(bffReader());")
        assert view.restricted
        assert whole != rules
        await direct.load(whole)
        for who in EVERYBODY:
            principal = ANONYMOUS if who is None else PEOPLE[who]
            for kind in (*SEEN_BY, "nowhere"):
                shown = (await ask(run, who, "query($id: ID!) { patientFile(id: $id) { id } }", id=kind))["patientFile"]
                assert await direct.get(f"PatientFile/{kind}", principal) == (200 if shown else 403), (who, kind)
            assert await direct.list("PatientFile", sorted(tokens_of(principal)), principal) == set(await listed(run, who))
            assert await direct.list("PatientFile", None, principal) == 403
            for other in PEOPLE.values():
                more = tokens_of(other) - tokens_of(principal)
                if more:
                    assert await direct.list("PatientFile", sorted(more), principal) == 403
            for closed in ("patients/doctor", "wards/w", "_bff_views/PatientFile:doctor"):
                assert await direct.get(closed, principal) == 403
            for closed in ("patients/doctor", "PatientFile/doctor", "WardBoard/w"):
                assert await direct.put(closed, principal) == 403


async def _opened(direct: Direct, rules: str, collection: str) -> set[int]:
    await direct.load(rules)
    return {await direct.get(f"{collection}/{kind}", PEOPLE["ann"]) for kind in SEEN_BY}


async def test_all_groups_of_a_token_count_and_their_tenant_with_them(firestore_emulator: str) -> None:
    groups = frozenset(f"g{n}" for n in range(MAX_GROUPS))
    everywhere = [Principal(id="u", tenant=tenant, groups=groups) for tenant in (None, "t", "a/b", "a%2Fb")]
    names = {f"{name}-{index}": one for index, one in enumerate(everywhere) for name in ("user",)}
    project = f"test-{uuid.uuid4().hex[:16]}"
    async with httpx.AsyncClient(base_url=f"http://{firestore_emulator}") as client:
        direct = Direct(client, project)
        from tests.app.clinic import clinic

        rules = security_rules(clinic().catalog)
        await direct.load(rules.replace("allow read: if false;", "allow read: if resource.data._readers.hasAny(bffReader());"))
        for name, principal in names.items():
            for index, one in enumerate(sorted(tokens_of(principal))):
                values = {"arrayValue": {"values": [{"stringValue": one}]}}
                await client.patch(
                    f"/v1/projects/{project}/databases/(default)/documents/PatientFile/{name}-{index}",
                    json={"fields": {"_readers": values}},
                    headers={"Authorization": "Bearer owner"},
                )
                for other in everywhere:
                    seen = one in tokens_of(other)
                    assert await direct.get(f"PatientFile/{name}-{index}", other) == (200 if seen else 403), (one, other)


def test_the_command_writes_keeps_and_checks(tmp_path: Path) -> None:
    output = tmp_path / "firestore.rules"
    run = CliRunner()
    written = run.invoke(cli, ["rules", f"{__name__}:app", "--output", str(output)])
    assert written.exit_code == 0, written.output
    text = output.read_text()
    assert text == security_rules(app.catalog)
    assert run.invoke(cli, ["rules", f"{__name__}:app", "--output", str(output), "--check"]).exit_code == 0
    own = text.replace("service cloud.firestore {", "service cloud.firestore {\n  // mine")
    output.write_text(own.replace("match /PublicNote/", "match /Old/"))
    assert run.invoke(cli, ["rules", f"{__name__}:app", "--output", str(output), "--check"]).exit_code == 1
    run.invoke(cli, ["rules", f"{__name__}:app", "--output", str(output)])
    assert output.read_text() == own


def test_a_file_without_marks_is_left_as_it_is(tmp_path: Path) -> None:
    output = tmp_path / "firestore.rules"
    output.write_text("service cloud.firestore {}\n")
    result = CliRunner().invoke(cli, ["rules", f"{__name__}:app", "--output", str(output)])
    assert isinstance(result.exception, SettingsError)
    assert "put these two lines" in str(result.exception)
    assert output.read_text() == "service cloud.firestore {}\n"


@pytest.mark.parametrize("claim", ["", "a b", "a..b", "x' || true || '", "a.b]"])
def test_a_claim_that_is_none_is_refused(claim: str) -> None:
    """CWE-94: what a deployment names reaches the text of the rules."""
    with pytest.raises(SettingsError, match="no path of claims"):
        Claims(tenant=claim)
