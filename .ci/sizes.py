"""Fail on files past 400 lines and functions past 40, unless a comment on the line says why.

A file of data or one that is better whole carries `# sizes: <reason>` in its first 30 lines; a
function carries it on its `def` line or on its decorator's.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

FILE_LINES = 400
FUNCTION_LINES = 40
MARK = "# sizes: "


def tracked_files() -> list[Path]:
    """Return the Python files that git tracks or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py"],  # noqa: S607 - git by name
        capture_output=True,
        text=True,
        check=True,
    )
    return [Path(line) for line in listed.stdout.split("\n") if line and Path(line).exists()]


def code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count a function's lines without its docstring."""
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def problems(path: Path) -> list[str]:
    """List what is too long in one file."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    found = []
    if len(lines) > FILE_LINES and not any(MARK in line for line in lines[:30]):
        found.append(f"{path}:1: {len(lines)} lines, more than {FILE_LINES}")
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        length = code_lines(node)
        if length > FUNCTION_LINES and MARK not in lines[node.lineno - 1]:
            found.append(
                f"{path}:{node.lineno}: {node.name} has {length} lines, more than {FUNCTION_LINES}"
            )
    return found


def main() -> int:
    """Print what is too long; return 1 if anything is."""
    found = [problem for path in tracked_files() for problem in problems(path)]
    sys.stdout.write("".join(f"{line}\n" for line in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
