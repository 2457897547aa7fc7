"""The explorer over HTTP: a page for browsers, its files, and nothing else."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from bff.app import App
from bff.serving.explorer.explorer import FILES
from bff.settings import Settings
from bff.testing.harness import AppHarness
from tests.resolvers.library import MEDIATORS, VIEWS

pytestmark = pytest.mark.anyio

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
PACKAGE = Path(__file__).parents[2] / "bff" / "serving" / "explorer"


@asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    made = Settings(datastore_url="sqlite://", broadcast_url="memory://", **settings)
    async with AppHarness(App(views=VIEWS, mediators=MEDIATORS), settings=made) as harness:
        yield harness.http


@pytest.mark.parametrize("path", ["/graphql", "/api/v1/graphql", "/graphql/", "/"])
async def test_the_page_and_everything_it_names_is_served_from_here(path: str) -> None:
    async with serving(graphql_path=path) as http:
        page = await http.get(path, headers=BROWSER)
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.headers["cache-control"] == "no-cache"
        assert "default-src 'none'" in page.headers["content-security-policy"]
        named = [name for name in re.findall(r'(?:src|href)="([^"]+)"', page.text) if name != "data:,"]
        assert len(named) == len(FILES)
        for name in named:
            file = await http.get(httpx.URL(f"http://app.test{path}").join(name))
            assert file.status_code == 200, name
            assert file.headers["content-type"] == FILES[name.rpartition("/")[2]]
            assert file.headers["cache-control"] == "public, max-age=31536000, immutable"
            again = await http.get(file.url, headers={"if-none-match": file.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")


async def test_nothing_else_is_served_below_it() -> None:
    async with serving() as http:
        page = await http.get("/graphql", headers=BROWSER)
        [version] = re.findall(r"explorer/(\w+)/explorer\.js", page.text)
        for name in (
            f"{version}/explorer.css",
            f"{version}/built-from.txt",
            f"{version}/__init__.py",
            f"{version}/..%2f__init__.py",
            "0/explorer.js",
            version,
            "",
        ):
            assert (await http.get(f"/graphql/explorer/{name}")).status_code == 404, name


@pytest.mark.parametrize("settings", [{"explorer": False}, {"introspection": False}, {"explorer": True, "introspection": False}])
async def test_switched_off_there_are_a_few_lines_of_help(settings: dict[str, bool]) -> None:
    async with serving(**settings) as http:
        page = await http.get("/graphql", headers=BROWSER)
        assert page.headers["content-type"].startswith("text/plain")
        assert "This is a GraphQL endpoint" in page.text
        assert (await http.get("/graphql/explorer/x/explorer.js")).status_code == 404


async def test_where_only_trusted_documents_run_there_is_none(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    manifest.write_text('{"a": "{ __typename }"}')
    async with serving(trusted_documents=manifest) as http:
        assert (await http.get("/graphql", headers=BROWSER)).headers["content-type"].startswith("text/plain")
    async with serving(trusted_documents=manifest, trusted_documents_only=False) as http:
        assert (await http.get("/graphql", headers=BROWSER)).headers["content-type"].startswith("text/html")


async def test_a_query_of_a_browser_is_still_a_query() -> None:
    async with serving() as http:
        answer = await http.get("/graphql", params={"query": "{ __typename }"}, headers=BROWSER)
        assert answer.json() == {"data": {"__typename": "Query"}}


def test_what_is_served_was_built_from_what_stands_here() -> None:
    """``make explorer`` after every change of ``web``."""
    digest = hashlib.sha256()
    for file in sorted((PACKAGE / "web").iterdir()):
        digest.update(file.read_bytes())
    assert (PACKAGE / "static" / "built-from.txt").read_text().strip() == digest.hexdigest()


def test_it_names_no_other_host() -> None:
    """An asset of a CDN would be an address in a style, or one that is fetched or imported."""
    style = (PACKAGE / "static" / "explorer.css").read_text()
    assert not re.findall(r"url\(['\"]?(?:https?:)?//|@import", style)
    script = (PACKAGE / "static" / "explorer.js").read_text()
    assert not re.findall(r"unpkg|jsdelivr|cdnjs|esm\.sh|googleapis", script)
