"""docs/python.md runs as it stands, cell by cell, and shows what it says it does."""

import doctest
import json
import pathlib
import re
import subprocess
import sys

import pytest

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "python.md"
CELL = re.compile(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```\n)?", re.DOTALL)
# Runs cells as a notebook does: what one prints, or else the value of its last line, is its output.
NOTEBOOK = """
import ast, contextlib, io, json, sys
names, outputs = {"__name__": "__main__"}, []
for number, cell in enumerate(json.load(sys.stdin)):
    *body, last = ast.parse(cell).body
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        shown = isinstance(last, ast.Expr)
        rest = ast.Module(body if shown else [*body, last], [])
        exec(compile(rest, f"cell {number}", "exec"), names)
        if shown:
            value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), names)
            if value is not None:
                print(repr(value))
    outputs.append(printed.getvalue())
json.dump(outputs, sys.stdout)
"""


@pytest.mark.slow
@pytest.mark.usefixtures("compiled_as_for_users")
def test_every_cell_of_the_page_shows_what_it_says(environment, tmp_path):
    cells = CELL.findall(PAGE.read_text(encoding="utf-8"))
    assert len(cells) > 8
    ran = subprocess.run(
        [sys.executable, "-c", NOTEBOOK], input=json.dumps([code for code, _ in cells]),
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    same = doctest.OutputChecker().check_output
    for (code, said), output in zip(cells, json.loads(ran.stdout), strict=True):
        assert same(said, output, doctest.ELLIPSIS), f"{code}\ngave\n{output}"
    assert not ran.stderr
