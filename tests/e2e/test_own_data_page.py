"""docs/own_data.md, block by block as it stands, for each problem type: from a CSV file to a served model and back."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from ci_scripts.bake import export
from tests.support.places import ROOT
from tests.support.ports import free_port
from tests.support.shell_blocks import Shell, blocks, in_a_terminal
from tests.support.warm import Warm

PAGE = ROOT / "docs/own_data.md"
ANSWER = re.compile(r'^\{.*"output".*\}', re.MULTILINE)
FILES = {"tumours": "binary", "digits": "multiclass", "visits": "regression"}


def chosen(name: str) -> str:
    """The first block, for one of the files."""
    return f"NAME={name} PROBLEM={FILES[name]} LABEL=target\n"


def test_with_a_file_of_your_own_only_the_first_block_changes() -> None:
    first, _, example, *rest = [block.text for block in blocks(PAGE)]
    assert first == chosen("tumours") and "sklearn" in example
    words = re.compile(rf"\b(target|{'|'.join([*FILES, *FILES.values()])})\b")
    assert [text for text in rest if words.search(text)] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_the_page_as_it_stands(name: str, warm: Warm, tmp_path: Path) -> None:
    template, port = export(tmp_path / "template"), free_port()
    env = {k: v for k, v in warm.environment().items() if not k.startswith("PYTEST_")}
    venv = warm.bin.parent
    shell = Shell.make(tmp_path / "tools", venv, env | {"PYTHONPATH": str(ROOT / "src")})
    work = tmp_path / "work"
    work.mkdir()
    first, generate, *rest = [block.text for block in blocks(PAGE)]
    assert first == chosen("tumours")
    generate = generate.replace("<this repository>", f"'{template}'")
    shell.type(chosen(name) + generate, work)
    root = work / name
    # What `make setup` would have done, but for the installation.
    (root / ".venv").symlink_to(venv)
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=root, check=True)
    (root / ".git/info/exclude").write_text("/.venv\n")
    settings = root / "serving.yaml"
    settings.write_text(settings.read_text().replace("port: 8080", f"port: {port}"))

    place = next(n for n, text in enumerate(rest) if text == "make serve\n")
    typed = [chosen(name) + text.replace("8080", str(port)) for text in rest]
    said = [shell.type(text, root) for text in typed[:place]]
    assert "questions begin with" in said[1]
    # No service runs yet.
    assert f"stored: {name}-v1 (" in said[-1]
    lint = "ruff check . && ruff format --check . && make config test"
    shell.type(lint, root)
    with in_a_terminal(shell, rest[place], root, port):
        ask, better, back = (shell.type(text, root) for text in typed[place + 1 :])
    assert f"live: {name}-v2 (" in better and f"live: {name}-v1 (" in back
    one, two, again = (json.loads(ANSWER.findall(text)[-1]) for text in (ask, better, back))
    golden = json.loads((work / "golden.json").read_text())
    assert (one["model"], two["model"], again["model"]) == (
        f"{name}-v1",
        f"{name}-v2",
        f"{name}-v1",
    )
    assert one["output"] == golden["output"] == again["output"]
    assert two["output"] != one["output"]
    assert "All is well: what is desired is live" in back
