"""An app that is declared wrongly."""

from __future__ import annotations

from bff.app import App
from tests.faults.bad_apps import KettleView

__all__ = ["app"]

app = App(views=[KettleView, KettleView], type_defs="type {")
