"""The new code of a view that is stored beside its former definition: for commands, which load it."""

from __future__ import annotations

from bff import App
from tests.projection.test_beside import NEW

app = App(views=[NEW])
