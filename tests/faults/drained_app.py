"""An app whose mutations can be held up from outside."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bff.app import App
from bff.model.domain_model import DomainModel
from bff.model.field import field
from bff.model.mutation import mutation
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel

__all__ = ["Meter", "MeterView", "app"]


class Meter(DomainModel, collection="meters"):
    count: int = 0

    @mutation(returns="MeterView")
    def add(self) -> None:
        """Count one more."""
        self.count += 1

    @mutation(returns="MeterView")
    async def add_once(self, gate: str) -> None:
        """Count one more once there is a file of this name; beside it, there is one ending in ``.reached`` before."""
        await asyncio.to_thread(Path(f"{gate}.reached").touch)
        while not await asyncio.to_thread(Path(gate).exists):  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.01)
        self.count += 1


class MeterStore(Store):
    meter = reference(Meter)


class MeterView(ViewModel):
    store: MeterStore

    @field
    def count(self) -> int:
        return self.store.meter.count


app = App(views=[MeterView])
