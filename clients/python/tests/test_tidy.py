"""The source itself: every file says what it is for, and files and functions are short."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
FILES = sorted(path for folder in ("src", "tests", "benches") for path in (HERE.parent / folder).rglob("*.py"))
FILE_LINES = 400
FUNCTION_LINES = 70


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HERE.parent)))
def test_a_file_says_what_it_is_for_and_is_short(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "no docstring at the top"
    assert len(text.splitlines()) <= FILE_LINES
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert (node.end_lineno or node.lineno) - node.lineno < FUNCTION_LINES, node.name
