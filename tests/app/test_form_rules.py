"""A browser writes its own forms into Firestore, under the rules that ``bff rules`` makes, and reads what came of them."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest

from bff import App, DomainModel, Form, Principal, Settings, creates, entry
from bff.rules.security_rules import security_rules
from tests.app.test_rules import token

pytestmark = pytest.mark.anyio

ANN, BOB = Principal(id="ann"), Principal(id="bob")


class Town(DomainModel, collection="towns"):
    name: str
    by: str = ""


class TownForm(Form, path="users/{uid}/townForms/{id}"):
    town = creates(Town)

    @entry
    def name(self, value: str) -> None:
        if not value:
            raise ValueError("a town has a name")
        self.town.name = value

    async def submit(self) -> None:
        self.town.by = self.principal.id or ""


class OpenForm(Form, path="openForms/{id}"): ...


async def test_a_user_writes_its_own_forms_and_nobody_elses(firestore_emulator: str) -> None:
    app = App(views=[], forms=[TownForm, OpenForm])
    project = f"test-{uuid.uuid4().hex[:16]}"
    root = f"/v1/projects/{project}/databases/(default)/documents"
    url = f"firestore://{project}?emulator={firestore_emulator}"
    async with (
        app.running(Settings(datastore_url=url)) as runtime,
        httpx.AsyncClient(base_url=f"http://{firestore_emulator}") as client,
    ):
        rules = {"rules": {"files": [{"name": "rules", "content": security_rules(app.catalog)}]}}
        assert (await client.put(f"/emulator/v1/projects/{project}:securityRules", json=rules)).status_code == 200

        async def write(path: str, who: Principal, *mask: str, **fields: str) -> int:
            data = {name: {"stringValue": value} for name, value in fields.items()}
            params = [("updateMask.fieldPaths", name) for name in mask]
            response = await client.patch(f"{root}/{path}", json={"fields": data}, headers=token(who), params=params)
            return response.status_code

        async def read(path: str, who: Principal) -> dict[str, Any] | int:
            response = await client.get(f"{root}/{path}", headers=token(who))
            return dict(response.json()["fields"]) if response.status_code == 200 else response.status_code

        async def handled() -> None:
            assert runtime.mediation is not None
            await runtime.mediation.wait_for(await runtime.datastore.ping())

        form = "users/ann/townForms/f"
        assert await write(form, BOB, name="Oslo") == 403
        assert await write(form, ANN, name="Oslo", status="done") == 403, "what bff writes is nobody else's to write"
        assert await write("openForms/f", ANN, name="Oslo") == 403
        assert await write("towns/t", ANN, name="Oslo") == 403
        assert await write(form, ANN, name="") == 200
        await handled()
        found = await read(form, ANN)
        assert isinstance(found, dict)
        assert found["status"] == {"stringValue": "error"}
        assert await read(form, BOB) == 403
        assert await write(form, ANN, "status", status="done") == 403
        assert await write(form, ANN, "name", name="Oslo") == 200
        await handled()
        found = await read(form, ANN)
        assert isinstance(found, dict)
        assert found["status"] == {"stringValue": "done"}
        id = found["result"]["mapValue"]["fields"]["id"]["stringValue"]
        async with runtime.datastore.snapshot() as snapshot:
            [town] = await snapshot.get([f"towns/{id}"])
        assert town.data == {"objType": "Town", "name": "Oslo", "by": "ann"}
