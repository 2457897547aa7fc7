"""One build of a view: everything read at one timepoint, fields evaluated that need to be."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from time import perf_counter
from typing import TypeAlias

from bff.datastore.port import Datastore
from bff.document import Document
from bff.errors import BuildError
from bff.model.evaluation import evaluate
from bff.model.view_model import ViewModel
from bff.projection.dependencies import Dependencies
from bff.projection.loading import Loading, load
from bff.projection.metadata import Metadata
from bff.projection.stored_view import StoredView, metadata_path, view_path
from bff.types import Timepoint, Value

__all__ = ["Build", "Evaluated", "MemoryKey", "first_read", "memory_key", "prepare"]

TURN_SECONDS = 0.001

MemoryKey: TypeAlias = tuple[str, str, Timepoint]
"""A storage, a key in it, and the build that what is stored there is of."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Which references each field read, and what those held: by this a later build knows which fields it can take over."""

    reads: Mapping[str, Sequence[str]]
    inputs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Build:
    """A view as it is at ``timepoint``, beside what is stored of it at that timepoint.

    ``content`` is the document without its version, or None where a root does not exist. Where ``error`` is not None there is no
    new content, and ``dependencies`` are what was read until it failed.
    """

    view: type[ViewModel]
    key: str
    timepoint: Timepoint
    root_paths: tuple[str, ...]
    metadata: Metadata | None
    stored: Mapping[str, Value] | None
    dependencies: Dependencies
    content: Mapping[str, Value] | None
    evaluated: Evaluated
    error: Exception | None = None
    ahead: tuple[str, ...] = ()
    """As of ``Loading``."""

    def failed(self, error: Exception) -> Build:
        return replace(self, content=None, error=error)

    def as_stored(self) -> StoredView:
        """The view as it was stored when this build began; of a view that never was, the absence as of now."""
        version = self.timepoint if self.metadata is None else self.metadata.version
        if self.stored is not None:
            stored_version = self.stored.get("version")
            version = stored_version if isinstance(stored_version, int) else version
        return StoredView(self.view.__view__.name, self.key, version, self.stored)


async def prepare(
    datastore: Datastore,
    view: type[ViewModel],
    keys: Sequence[str],
    memory: Mapping[MemoryKey, Evaluated] | None = None,
    *,
    ahead: Iterable[str] = (),
    anew: bool = False,
) -> list[Build]:
    """Build these keys from one snapshot, in one round of reads per level for all of them.

    ``memory`` holds, by ``memory_key``, what is newer than what the metadata says of the stored content. ``ahead`` are paths of
    documents that the builds will read, as far as is known: they are read in the first round.
    ``anew`` evaluates every field, and takes none over from what is stored.
    Raises DatastoreUnavailable; whatever goes wrong for one key only is its build's ``error``.
    """
    first = {key: first_read(view, key) for key in keys}
    loadings = [Loading(view, key, first[key][2:]) for key in keys]
    async with datastore.snapshot() as snapshot:
        paths = list(dict.fromkeys(chain(*first.values(), ahead)))
        known = {document.path: document for document in await snapshot.get(paths)}
        timepoint = snapshot.timepoint
        builds: dict[str, Build] = {}
        began = perf_counter()

        async def build(loading: Loading) -> None:
            nonlocal began
            of_view, of_metadata, *_ = first[loading.key]
            stored, metadata = known[of_view], known[of_metadata]
            builds[loading.key] = _build(loading, timepoint, stored.data, metadata, memory or {}, anew=anew)
            # What is not looked at again is gone before the next comes: cheaper than having it found to be garbage later.
            loading.values = {}
            # Getters are the user's code: the event loop has its turn after each that takes its time, and after some that
            # do not. After the last one it has it when that is stored: who looks at a single view is not to wait twice.
            if len(builds) < len(loadings) and perf_counter() - began > TURN_SECONDS:
                await asyncio.sleep(0)
                began = perf_counter()

        await load(loadings, snapshot, known, build)
    return [builds[key] for key in keys]


def first_read(view: type[ViewModel], key: str) -> tuple[str, ...]:
    """The documents that every build of a view begins with: of one that is not there, all that is read.

    That of the view, that of its metadata, and its roots. Raises BadUserInput where the key cannot be one.
    """
    definition = view.__view__
    return view_path(definition.collection, key), metadata_path(definition.storage, key), *definition.root_paths(key)


def memory_key(metadata: Metadata) -> MemoryKey:
    return metadata.view, metadata.key, metadata.built_at


def _build(
    loading: Loading,
    timepoint: Timepoint,
    stored: Mapping[str, Value] | None,
    known: Document,
    memory: Mapping[MemoryKey, Evaluated],
    *,
    anew: bool,
) -> Build:
    """``stored`` is the document of the view, ``known`` that of its metadata."""
    definition = loading.view.__view__
    metadata = Metadata.from_document(known)
    before = _evaluated_before(metadata, memory)
    content: dict[str, Value] | None = None
    evaluated, error = before, loading.error
    if error is None and not loading.absent:
        reuse = {} if anew or metadata is None or stored is None else _reusable(loading, metadata, stored, before)
        try:
            results = evaluate(loading.view, loading.key, definition.store(loading.values), reuse)
        except Exception as raised:
            error = _as_build_error(loading, raised)
        else:
            content = {definition.stored[name].document_name: result.value for name, result in results.items()}
            content["id"] = loading.key
            evaluated = Evaluated({name: tuple(sorted(result.reads)) for name, result in results.items()}, loading.inputs)
    return Build(
        loading.view,
        loading.key,
        timepoint,
        loading.root_paths,
        metadata,
        stored,
        loading.dependencies,
        content,
        evaluated,
        error,
        tuple(loading.ahead),
    )


def _evaluated_before(metadata: Metadata | None, memory: Mapping[MemoryKey, Evaluated]) -> Evaluated:
    if metadata is None:
        return Evaluated({}, {})
    return memory.get(memory_key(metadata)) or Evaluated(metadata.details.reads, metadata.details.inputs)


def _reusable(
    loading: Loading, metadata: Metadata, stored: Mapping[str, Value], before: Evaluated
) -> dict[str, tuple[Value, frozenset[str]]]:
    """The fields whose stored values still hold: nothing that they read has changed, and the code is the same."""
    definition = loading.view.__view__
    if metadata.definition != definition.definition_hash:
        return {}
    same = {name for name, digest in loading.inputs.items() if before.inputs.get(name) == digest}
    return {
        name: (stored[definition.stored[name].document_name], frozenset(reads))
        for name, reads in before.reads.items()
        if name in definition.stored and definition.stored[name].document_name in stored and same.issuperset(reads)
    }


def _as_build_error(loading: Loading, error: Exception) -> Exception:
    if isinstance(error, BuildError):
        return error
    wrapped = BuildError(f"{loading.view.__view__.name} {loading.key!r}: {type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped
