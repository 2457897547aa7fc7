"""The tree stands as it is drawn: imports point down only, lazy and TYPE_CHECKING imports included."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

GROUND_FILES = (
    "errors naming types document query storable values order_key matching supervisor together request_extensions principal "
    "unqueried begun"
)
GROUND = {f"bff.{name}" for name in GROUND_FILES.split(" ")}
GROUND |= {f"bff.observability{name}" for name in ("", ".exposition", ".json_log", ".request_id", ".tally", ".tracing")}
PORTS = ("bff.datastore.port", "bff.broadcast.port")
JOINTS = ("bff.datastore.connect", "bff.datastore.unit_of_work", "bff.datastore.session", "bff.broadcast.connect")
TOP_FILES = "app cli connection settings runtime served readiness doctor testing"
TOP = ("bff", *(f"bff.{name}" for name in TOP_FILES.split(" ")))

TOP_PACKAGES = ("bff.testing.", "bff.observability.", "bff.commands", "bff.contract", "bff.indexes", "bff.rules")

FLOORS = (
    "ground",
    "model",
    "port",
    "adapter",
    "joint",
    "projection",
    "live",
    "schema or resolvers",
    "serving",
    "top",
)


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of the package, with the file it stands in."""
    for folder, package in ((ROOT / "bff", "bff"), (ROOT / "schema", "bff.schema"), (ROOT / "resolvers", "bff.resolvers")):
        for file in sorted(folder.rglob("*.py")):
            parts = file.relative_to(folder).with_suffix("").parts
            if folder.name == "bff" and parts[0] in {"schema", "resolvers"}:
                continue
            name = ".".join((package, *parts))
            yield name.removesuffix(".__init__"), file


def imports(file: Path, *, for_types: bool = True) -> Iterator[str]:
    """The bff modules that a file names in an import, wherever in it that stands."""
    names = {name for name, _ in modules()}
    tree = ast.parse(file.read_text())
    if not for_types:
        tree.body = [node for node in tree.body if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if whole in names or node.module in names:
                    yield whole if whole in names else node.module


def floor(module: str) -> str:
    if module in GROUND:
        return "ground"
    if module in PORTS:
        return "port"
    if module in JOINTS:
        return "joint"
    if module in TOP or module.startswith(TOP_PACKAGES):
        return "top"
    area = module.split(".")[1]
    return {
        "auth": "serving",
        "model": "model",
        "datastore": "adapter",
        "broadcast": "adapter",
        "projection": "projection",
        "live": "live",
        "schema": "schema or resolvers",
        "resolvers": "schema or resolvers",
        "serving": "serving",
    }[area]


MODULES = dict(modules())


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module: str) -> None:
    here = FLOORS.index(floor(module))
    for imported in imports(MODULES[module]):
        there = floor(imported)
        assert FLOORS.index(there) <= here, f"{module} ({FLOORS[here]}) imports {imported} ({there}), which stands above it"
        if floor(module) == "adapter":
            own = module.rpartition(".")[0]
            assert there in {"ground", "port"} or imported.startswith(own), f"the adapter {module} imports {imported}"


def test_schema_and_resolvers_do_not_know_each_other() -> None:
    for module, file in MODULES.items():
        for area, other in (("bff.schema", "bff.resolvers"), ("bff.resolvers", "bff.schema")):
            if module.startswith(area):
                assert not [name for name in imports(file) if name.startswith(other)], module


def test_only_the_joints_open_adapters() -> None:
    """Adapters are chosen by URL: nothing but ``connect`` names one, so nobody loads a driver they do not use."""
    for module, file in MODULES.items():
        named = [name for name in imports(file) if floor(name) == "adapter" and name.count(".") > 1]
        if floor(module) not in {"adapter", "top"}:
            assert not named or module in {"bff.datastore.connect", "bff.broadcast.connect"}, f"{module} imports {named}"


def test_no_import_cycle() -> None:
    """Not even one hidden in a function: ``graphlib`` raises CycleError, which names it."""
    graph = {module: {name for name in imports(file, for_types=False) if name != module} for module, file in MODULES.items()}
    list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_offers(module: str) -> None:
    file = MODULES[module]
    tree = ast.parse(file.read_text())
    assert ast.get_docstring(tree), f"{module} has no docstring"
    if file.name == "__init__.py" and module != "bff":
        assert len(tree.body) == 1, f"{module}: a sub-package holds a docstring and nothing else"
        return
    offered = importlib.import_module(module).__all__
    assert list(offered) == sorted(set(offered), key=list(offered).index), f"{module}.__all__ repeats a name"
    assert all(hasattr(importlib.import_module(module), name) for name in offered)


def test_nothing_inside_imports_the_root() -> None:
    for module, file in MODULES.items():
        if module != "bff" and not module.startswith("bff.testing"):
            assert "bff" not in imports(file), f"{module} imports the bff root, which re-exports for users only"


def test_every_package_on_disk_is_shipped() -> None:
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    assert listed == {name for name, file in MODULES.items() if file.name == "__init__.py"}


@pytest.mark.parametrize("module", ["bff", "bff.cli"])
def test_importing_bff_loads_no_driver_and_opens_nothing(module: str) -> None:
    """It is cheap, and so is a process that serves the embedded datastore: no Firestore, no gRPC, no Redis, no thread."""
    program = (
        f"import sys, threading, {module}\n"
        "heavy = {'google.cloud.firestore', 'grpc', 'redis', 'sqlite3'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert threading.active_count() == 1\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


DECLARING = """
import sys, threading
import bff

class Cup(bff.DomainModel, collection="cups"):
    milk: bool = False

class CupStore(bff.Store):
    cup = bff.reference(Cup)

class CupPage(bff.ViewModel):
    store: CupStore

    @bff.field(filterable=True)
    def milk(self) -> bool:
        return self.store.cup.milk

class Kitchen(bff.Mediator):
    @bff.mutation
    async def pour(self, cup: Cup) -> CupPage:
        cup.milk = True
        return CupPage.of(cup)

app = bff.App(views=[CupPage], mediators=[Kitchen])
"""
DRIVERS = ("broadcaster", "google", "grpc", "redis", "sqlite3")
SERVERS = ("ariadne.asgi", "brotli", "httpx", "starlette.applications", "starlette.routing", "uvicorn", "websockets")
RUNNING = (
    "bff.broadcast.connect",
    "bff.live.hub",
    "bff.projection.builder",
    "bff.projection.effects",
    "bff.projection.projector",
    "bff.resolvers.plan",
    "bff.runtime",
    "bff.served",
    "bff.serving.asgi",
    "bff.serving.http",
    "bff.testing",
)


def test_declaring_an_app_loads_nothing_that_only_running_it_needs() -> None:
    """Half of bff's modules, and a fifth of what ``import bff`` would cost: docs/decisions/imports.md."""
    program = (
        f"{DECLARING}\n"
        f"unneeded = {(*DRIVERS, *SERVERS, *RUNNING)!r}\n"
        "loaded = [name for name in sys.modules if any(name == one or name.startswith(f'{one}.') for one in unneeded)]\n"
        "assert not loaded, loaded\n"
        "assert threading.active_count() == 1\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


def test_schema_and_resolvers_are_no_top_level_names(tmp_path: Path) -> None:
    """Users have packages of those names."""
    program = (
        "import importlib.util\n"
        "assert importlib.util.find_spec('schema') is None\n"
        "assert importlib.util.find_spec('resolvers') is None\n"
    )
    subprocess.run([sys.executable, "-I", "-c", program], check=True, cwd=tmp_path)
