"""What people read when they got a YAML file wrong: file, place, what was found, what is allowed; exit code 2.

The golden file is the table. UPDATE_GOLDEN=1 writes it anew; read every sentence of the difference as its reader would.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gitops_model.cli import main
from gitops_model.delivery import programs

GOLDEN = Path(__file__).parent / "golden" / "bad_yaml.txt"

CONTRACT = """\
task: flight-delay
problem: binary
schema_version: 1
inputs:
  distance: {type: number, min: 0, max: 6000, unit: miles, missing: impute}
  hour: {type: integer, min: 0, max: 23}
  carrier: {type: category, values: [AA, UA], unknown: accept}
  weekend: {type: boolean}
output: {name: late, threshold: 0.2, fallback: 0.15}
label: {name: was_late, definition: left late, arrives_after_days: 1}
keys: {request: flight_id, time: sched_dep, sticky: tailnum}
slices: [carrier]
success:
  primary: roc_auc
  risk: expected_cost
  costs: {false_positive: 1, false_negative: 4}
"""
PARAMS = """\
seed: 13
data: {split: {by: time, test_days: 28}, max_refused: 0.01, first_month: 2013-01}
model: {runtime: onnx, trees: 60}
"""
GATES = """\
confidence: 0.95
inconclusive: block
primary: {rule: not_worse, margin: 0.01}
risk: {rule: not_worse, margin: 3%}
limits:
  roc_auc: {above: 0.6}
slices: {margin: 0.05, min_rows: 300}
latency: {ratio_below: 1.25, p95_ms_below: 20}
memory: {mb_below: 600}
artifact: {mb_below: 50}
test_set: {looks: 20}
"""
SERVING = """\
host: 127.0.0.1
port: 8080
url: http://127.0.0.1:8080
store: store
poll_seconds: 0.1
timeout_ms: 1000
log: {predictions: true, folder: logs}
deploy: {poll_seconds: 5, confirm_seconds: 30}
"""
A, B = "a" * 64, "b" * 64
PRODUCTION = f"""\
stable: {{model: flight-delay-v2, sha256: {B}}}
previous: {{model: flight-delay-v1, sha256: {A}}}
canary: null
shadow: null
freeze: null
"""
FILES = {
    "contract": CONTRACT,
    "params": PARAMS,
    "gates": GATES,
    "serving": SERVING,
    "production": PRODUCTION,
}

# (what is wrong in words, file, text that is there, text put in its place)
CASES: list[tuple[str, str, str, str]] = [
    ("not YAML", "contract", "inputs:", "inputs: ["),
    ("a tab", "params", "seed: 13", "\tseed: 13"),
    ("a key twice", "gates", "confidence: 0.95", "confidence: 0.95\nconfidence: 0.9"),
    ("a merge conflict", "production", "stable:", "<<<<<<< HEAD\nstable:"),
    ("an empty file", "serving", SERVING, ""),
    ("a list instead of a mapping", "params", PARAMS, "- seed\n- data\n"),
    ("an object of Python", "params", "13", "!!python/object/apply:os.getcwd []"),
    ("an unknown key", "contract", "slices: [carrier]", "slice: [carrier]"),
    ("a missing key", "contract", "problem: binary\n", ""),
    ("an upper-case task", "contract", "task: flight-delay", "task: Flight_Delay"),
    ("an unknown problem", "contract", "problem: binary", "problem: ranking"),
    ("version zero", "contract", "schema_version: 1", "schema_version: 0"),
    ("a version in words", "contract", "schema_version: 1", "schema_version: one"),
    (
        "no inputs",
        "contract",
        CONTRACT[CONTRACT.index("inputs:") : CONTRACT.index("output:")],
        "inputs: {}\n",
    ),
    ("an unknown type", "contract", "type: boolean", "type: bool"),
    ("a rule that is not this type's", "contract", "{type: boolean}", "{type: boolean, min: 0}"),
    ("a misspelt rule", "contract", "missing: impute", "mising: impute"),
    ("an input name with a space", "contract", "weekend:", "week end:"),
    ("min above max", "contract", "min: 0, max: 23", "min: 24, max: 23"),
    ("a bound that is no number", "contract", "max: 6000", "max: .nan"),
    ("an infinite bound", "contract", "max: 6000", "max: .inf"),
    ("a date where a text belongs", "contract", "[AA, UA]", "[AA, 2013-01-01, 7]"),
    ("NO is false in YAML", "contract", "[AA, UA]", "[AA, NO]"),
    ("the same value twice", "contract", "[AA, UA]", "[AA, AA]"),
    ("unknown without values", "contract", "values: [AA, UA], ", ""),
    ("a threshold of 1", "contract", "threshold: 0.2", "threshold: 1"),
    ("no threshold", "contract", "threshold: 0.2, ", ""),
    ("a fallback that is no probability", "contract", "fallback: 0.15", "fallback: 15"),
    (
        "classes of a binary problem",
        "contract",
        "threshold: 0.2",
        "threshold: 0.2, classes: [a, b, c]",
    ),
    ("the label is an input", "contract", "name: was_late", "name: hour"),
    (
        "labels that arrive before they happen",
        "contract",
        "arrives_after_days: 1",
        "arrives_after_days: -1",
    ),
    ("a metric of another problem", "contract", "primary: roc_auc", "primary: rmse"),
    (
        "costs of another problem",
        "contract",
        "{false_positive: 1, false_negative: 4}",
        "{over: 1, under: 4}",
    ),
    (
        "three things at once",
        "contract",
        "schema_version: 1\ninputs:",
        "schema_version: -1\nextra: 1\ninputs:\n  x: 3",
    ),
    ("a negative seed", "params", "seed: 13", "seed: -1"),
    ("a fractional seed", "params", "seed: 13", "seed: 1.5"),
    ("no test days", "params", "test_days: 28", "test_days: 0"),
    ("no split", "params", "split: {by: time, test_days: 28}, ", ""),
    ("a split by nothing", "params", "by: time, ", ""),
    ("an unknown split", "params", "by: time", "by: month"),
    ("days of a random split", "params", "by: time", "by: random"),
    ("no size of a split by group", "params", "by: time, test_days: 28", "by: group"),
    ("no size of a split by time", "params", ", test_days: 28", ""),
    ("two sizes", "params", "test_days: 28", "test_days: 28, test_share: 0.2"),
    ("all rows test", "params", "by: time, test_days: 28", "by: random, test_share: 1"),
    ("trusting one name", "params", "seed: 13", "seed: 13\ntrusted_types: sklearn.svm.SVC"),
    ("trusting what is no type", "params", "seed: 13", "seed: 13\ntrusted_types: [everything]"),
    ("a share above 1", "params", "max_refused: 0.01", "max_refused: 5"),
    ("an unknown runtime", "params", "runtime: onnx", "runtime: pickle"),
    ("a margin in words", "gates", "margin: 0.01", "margin: high"),
    ("a negative margin", "gates", "margin: 0.01", "margin: -0.01"),
    ("a share in words", "gates", "3%", "3 percent"),
    ("a confidence in percent", "gates", "confidence: 0.95", "confidence: 95"),
    ("an unknown rule", "gates", "rule: not_worse, margin: 0.01", "rule: no_worse, margin: 0.01"),
    ("an unknown metric", "gates", "roc_auc: {above: 0.6}", "auc: {above: 0.6}"),
    ("above and below", "gates", "{above: 0.6}", "{above: 0.6, below: 0.9}"),
    ("a limit nothing can reach", "gates", "{above: 0.6}", "{above: 1.5}"),
    ("a metric of another problem as limit", "gates", "roc_auc: {above: 0.6}", "rmse: {below: 3}"),
    ("turned off without a reason", "gates", "{mb_below: 600}", "{enabled: false}"),
    ("a gate left out", "gates", "memory: {mb_below: 600}\n", ""),
    ("faster than possible", "gates", "ratio_below: 1.25", "ratio_below: 0.9"),
    ("a port out of range", "serving", "port: 8080", "port: 80800"),
    ("a port in quotes", "serving", "port: 8080", "port: '8080'"),
    ("an address without http", "serving", "url: http://127.0.0.1:8080", "url: localhost"),
    ("yes instead of a number", "serving", "timeout_ms: 1000", "timeout_ms: yes"),
    ("an unknown key deep inside", "serving", "confirm_seconds: 30", "confirm_second: 30"),
    ("too often", "serving", "deploy: {poll_seconds: 5", "deploy: {poll_seconds: 0"),
    ("a short sha256", "production", A, "abc"),
    ("an upper-case sha256", "production", A, "A" * 64),
    ("an id without number", "production", "flight-delay-v1", "flight-delay"),
    ("an id with a leading zero", "production", "flight-delay-v1", "flight-delay-v01"),
    ("only the id", "production", f"{{model: flight-delay-v1, sha256: {A}}}", "flight-delay-v1"),
    ("no canary line", "production", "canary: null\n", ""),
    (
        "a canary of 0 %",
        "production",
        "canary: null",
        f"canary: {{model: x-v3, sha256: {A[:-1]}c, percent: 0}}",
    ),
    (
        "a canary without percent",
        "production",
        "canary: null",
        f"canary: {{model: x-v3, sha256: {A[:-1]}c}}",
    ),
    ("stable and previous the same", "production", A, B),
    ("previous without stable", "production", PRODUCTION.splitlines()[0], "stable: null"),
    ("one id, two bundles", "production", "flight-delay-v1", "flight-delay-v2"),
    ("a freeze without a reason", "production", "freeze: null", "freeze: true"),
]


def _complain(
    folder: Path, file: str, old: str, new: str, capsys: pytest.CaptureFixture[str]
) -> str:
    for name, text in FILES.items():
        if name == file:
            assert text.count(old) >= 1, f"{file}.yaml holds no {old!r}"
        changed = text.replace(old, new, 1) if name == file else text
        (folder / f"{name}.yaml").write_text(changed)
    os.chdir(folder)
    code = main(["check", "--lint"])
    said = capsys.readouterr()
    assert code == 2, said.out
    assert said.out == ""
    return said.err


@pytest.fixture(autouse=True)
def _stay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_sentences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = ""
    for title, file, old, new in CASES:
        said = _complain(tmp_path, file, old, new, capsys)
        assert f"{file}.yaml" in said, title
        assert "Traceback" not in said, title
        shown += f"# {title}\n{said}\n"
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(shown)
    assert shown == GOLDEN.read_text()


def test_the_table_is_long_and_covers_every_file() -> None:
    assert len({(file, old, new) for _, file, old, new in CASES}) == len(CASES) >= 40
    assert {file for _, file, _, _ in CASES} == set(FILES)


def test_good_files_are_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in FILES.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    assert main(["check", "--lint"]) == 0
    assert "are in order" in capsys.readouterr().out


def test_a_file_that_is_gone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in FILES.items():
        if name != "gates":
            (tmp_path / f"{name}.yaml").write_text(text)
    assert main(["check", "--lint"]) == 2
    said = capsys.readouterr().err
    assert (
        said == "check: gates.yaml: the file is missing. Restore it: git checkout -- gates.yaml\n"
    )


def test_problems_of_all_files_come_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in FILES.items():
        (tmp_path / f"{name}.yaml").write_text(text + "surplus: 1\n")
    assert main(["check", "--lint"]) == 2
    said = capsys.readouterr().err
    assert [f"{name}.yaml: the file has the unknown key 'surplus'" in said for name in FILES] == [
        True
    ] * 5


def test_bytes_that_are_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in FILES.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    (tmp_path / "params.yaml").write_bytes(b"seed: \xff\xfe\n")
    assert main(["check", "--lint"]) == 2
    assert "params.yaml: cannot be read as UTF-8 text" in capsys.readouterr().err


NESTED = ["[" * 50_000, "{" * 50_000, "\n" + "- " * 50_000, "\n" + "? " * 50_000]
NESTED += ["\n" + "\n".join(" " * i + "a:" for i in range(1, 2000))]
UNREADABLE = ["!!int abc", "!!float x", "!!bool maybe", "!!timestamp never", "0x_", "1" * 5000]


@pytest.mark.parametrize("value", NESTED + UNREADABLE, ids=lambda v: " ".join(v[:20].split()))
def test_yaml_that_breaks_its_reader_is_refused_like_any_other(tmp_path: Path, value: str) -> None:
    """In a process of its own, which the deep ones used to kill."""
    (tmp_path / "production.yaml").write_text(f"stable: {value}\n")
    code = "from gitops_model.formats.pointer import *; Pointer.load(Path('production.yaml'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "gitops_model.errors.BadInput: production.yaml: " in done.stderr, done.stderr[-400:]


@pytest.mark.parametrize("command", ["deploy", "status"])
def test_other_commands_say_the_same(tmp_path: Path, command: str) -> None:
    """Through a real process: the code of the shell, and no traceback."""
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "serving.yaml").write_text(SERVING.replace("port: 8080", "port: eighty", 1))
    done = subprocess.run(
        [*programs.gitops_model(), command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert (
        "serving.yaml: port is 'eighty'; allowed: a whole number at least 0 and at most 65535"
        in done.stderr
    )
    assert "Traceback" not in done.stderr
