"""Finds the app of a program: `module` for the default app, `module:name` for one of its own."""

from __future__ import annotations

import importlib
import os
import sys

from ..app import App, default_app


def load(path: str) -> App:
    """Imports the module, with the working folder on the path. Raises ImportError; ValueError for what is no app."""
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
    module_name, _, name = path.partition(":")
    module = importlib.import_module(module_name)
    if not name:
        return default_app
    found = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise ValueError(f"{module_name} has no {name}") from None
    if isinstance(found, App):
        return found
    if default_app.tasks:
        # Such as a FastAPI, whose module has tasks of `@tidemill.task`.
        return default_app
    raise ValueError(f"{path} is not a tidemill.App, and no function is decorated with @tidemill.task")
