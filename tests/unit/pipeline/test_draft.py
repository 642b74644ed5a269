"""`contract` drafts a contract from a CSV file: what was seen obeys it; what is wrong with a file is one sentence."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import hypothesis.strategies as st
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from pandas._libs.parsers import STR_NA_VALUES  # type: ignore[attr-defined]

from gitops_model.cli import main
from gitops_model.errors import BadInput
from gitops_model.formats.contract import Contract
from gitops_model.pipeline import contract, csv_sample, draft, draft_columns, examples
from gitops_model.pipeline.table import check_table
from tests.support import own_data

GOLDEN = Path(__file__).parent / "golden"
LABELS = {"tumours": None, "digits": "digit", "progression": None}


def drafted(path: Path, **options: str) -> tuple[draft.Draft, str]:
    sample = csv_sample.read(path)
    found = draft.draft(sample, task="orders", **options)  # type: ignore[arg-type]
    return found, draft.text(found, source=path.name)


def built(found: draft.Draft, text: str, raw: pd.DataFrame) -> pd.DataFrame:
    """The rows that the printed `build` makes of `raw`, as the stages take them."""
    body = "\n    ".join(draft.build_lines(found))
    space: dict[str, object] = {}
    exec(f"def build(raw):\n    {body}", space)
    made = space["build"](raw)  # type: ignore[operator]
    return examples.complete(Contract.parse(text, name="draft"), made)


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "data.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# The draft


@pytest.mark.parametrize("name", LABELS)
def test_what_a_person_reads(
    here: Path, name: str, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    table = getattr(own_data, name)()
    if name == "digits":
        table = table.drop(columns=[c for c in table if c[0] == "p" and c not in ("p34", "p40")])
    table.to_csv(f"{name}.csv", index=False)
    label = [] if LABELS[name] is None else ["--label", LABELS[name]]
    assert main(["contract", f"{name}.csv", *label]) == 0
    found = f"{Path('contract.draft.yaml').read_text()}\n{capsys.readouterr().out}"
    golden = GOLDEN / f"draft_{name}.txt"
    assert found == golden.read_text(), "read the difference; when it is meant, change the file"
    parsed = Contract.load(Path("contract.draft.yaml"))
    assert parsed.problem == {"tumours": "binary", "digits": "multiclass"}.get(name, "regression")
    assert not check_table(parsed, pd.read_csv(f"{name}.csv")).problems


def test_build_as_it_is_printed_is_written_as_ruff_writes(tmp_path: Path) -> None:
    path = written(
        tmp_path, 'Mean Radius,it\'s odd,"say ""hi""",y\n1,2,1,"o""k"\n2,3,2,no\n3,1,3,"o""k"\n'
    )
    body = "\n    ".join(draft.build_lines(drafted(path)[0]))
    code = f"def build(raw):\n    {body}\n"
    words = [sys.executable, "-m", "ruff", "format", "--isolated", "-"]
    done = subprocess.run(words, input=code, capture_output=True, text=True, check=True)
    assert done.stdout == code


def test_missing_is_what_pandas_calls_missing() -> None:
    assert STR_NA_VALUES == draft_columns.NOTHING


values = st.one_of(
    st.sampled_from(["", "NA", "0", "1", "true", "False", "007", "inf", "2026-01-31", "1,5", "a b", "µ", "\x85"]),
    st.integers(-(10**6), 10**6).map(str),
    st.floats(allow_nan=False, allow_infinity=False, width=32).map(repr),
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r"), max_size=12),
)  # fmt: skip
# What a label may be: few values, each in more than one spelling.
numbers = st.sampled_from(
    ["", "0", "1", "01", "1 ", "+1", "-1", "1.0", "0.0", "2.50", "1e2", " inf", "1000001", str(2**63)]
)  # fmt: skip
spellings = st.one_of(
    numbers,
    st.sampled_from(["", "True", "TRUE", "false", "true\x1f", "1\x1f", "yes", "no ", "😀"]),
    st.sampled_from(['say "no"', "it's", "\\n", "\n"]),
    values,
)  # fmt: skip
headers = st.one_of(
    st.sampled_from(["a b", "a_b", "A b", "a_b_2", "row_id", "Row id", "row_id_2"]),
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r"), max_size=9),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), kinds=st.lists(st.sampled_from(range(6)), min_size=2, max_size=5))
def test_every_row_that_was_seen_obeys_the_draft(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, kinds: list[int]
) -> None:
    rows = data.draw(st.integers(3, 40))
    pools = [
        values,
        st.integers(-(2**70), 2**70).map(str),
        st.floats(allow_nan=False).map(repr),
        st.sampled_from(["True", "False", ""]),
        st.sampled_from(data.draw(st.lists(spellings, min_size=2, max_size=4))),
        st.sampled_from(data.draw(st.lists(numbers, min_size=2, max_size=4))),
    ]
    names = data.draw(st.lists(headers, min_size=len(kinds), max_size=len(kinds), unique=True))
    made = {
        name: data.draw(st.lists(pools[kind], min_size=rows, max_size=rows))
        for name, kind in zip(names, kinds, strict=True)
    }
    path = tmp_path_factory.mktemp("csv") / "data.csv"
    pd.DataFrame(made).to_csv(path, index=False)
    label = data.draw(st.sampled_from([{}, {"label": names[-1]}]))
    try:
        found, text = drafted(path, **label)
    except BadInput as error:
        assert len(error.problems) == 1 and len(str(error)) < 3000
        return
    parsed = Contract.parse(text, name="draft")
    assert found.rows == rows or "" in made[names[0]]
    raw = pd.read_csv(path, low_memory=False)
    table = built(found, text, raw)
    assert len(table) == raw[found.label.header].notna().sum()
    if found.problem != "regression":
        classes = {*parsed.output.classes} if found.problem == "multiclass" else {0, 1}
        assert set(table[parsed.label.name]) == classes
    bad = check_table(parsed, table).problems
    warned = ("refuses", "cut them", "beyond 64 bits")
    refused = {c.name for c in found.inputs if any(w in n for n in c.notes for w in warned)}
    assert [p for p in bad if p.partition(":")[0] not in refused] == []


@pytest.mark.parametrize("value", [1.0, 0.95, 5.01, 364, -3.2, 1e-9, 3e38, 0.2, 0.5, 99, 100])
def test_a_bound_is_the_next_round_number(value: float) -> None:
    found = draft_columns.bound(value)
    assert math.copysign(1, found) == math.copysign(1, value)
    assert abs(value) <= abs(found) <= 2.5 * abs(value)
    assert f"{abs(found):.0e}"[0] in "125"


def rows(line: str, count: int = 25) -> str:
    """`count` lines, each with its number in the place of N and its parity in that of P."""
    return "\n".join(line.replace("N", str(n)).replace("P", str(n % 2)) for n in range(count))


@pytest.mark.parametrize(
    ("header", "line", "key", "inputs"),
    [
        ("code,amount,paid", "oN,N.5,P", "code", {"amount"}),
        ("n,amount,paid", "N,PP,P", "n", {"amount"}),
        ("order_id,amount,paid", "9N,1P,P", "order_id", {"amount"}),
        ("code,serial,amount,paid", "oN,xN,1P,P", "code", {"amount"}),
        ("amount,paid", "N.5,P", None, {"amount"}),
        ("word,paid", "PP,P", None, {"word"}),
        (",amount,paid", "N,N.5,P", None, {"amount"}),
    ],
)
def test_the_key_differs_in_every_row_and_is_no_input(
    tmp_path: Path, header: str, line: str, key: str | None, inputs: set[str]
) -> None:
    path = written(tmp_path, f"{header}\n{rows(line)}")
    found, text = drafted(path)
    assert len(built(found, text, pd.read_csv(path))) == found.rows
    assert (found.key.name if found.key else None) == key
    assert {column.name for column in found.inputs} == inputs
    assert ("build makes row_id" in text) is (key is None)


@pytest.mark.parametrize(
    ("label", "problem", "lines"),
    [
        ("yes,no,yes", "binary", 'table["y"] = (table["y"] == "yes").astype(int)'),
        ("0,1,1", "binary", ""),
        ("True,False,True", "binary", 'table["y"] = table["y"].astype(int)'),
        ("2,1,2", "binary", 'table["y"] = (table["y"] == 1).astype(int)'),
        ("a,b,c", "multiclass", ""),
        ("1,2,3", "multiclass", 'table["y"] = table["y"].astype(str)'),
        ("0.5,1.5,2.5", "regression", ""),
    ],
)
def test_the_label_says_the_problem_and_what_build_makes_of_it(
    tmp_path: Path, label: str, problem: str, lines: str
) -> None:
    rows = "\n".join(f"{n},{y}" for n, y in enumerate(label.split(",")))
    found, text = drafted(written(tmp_path, f"x,Y\n{rows}"))
    assert found.problem == problem
    made = [line for line in draft.build_lines(found) if "astype" in line]
    assert made == ([lines] if lines else [])
    raw = pd.read_csv(tmp_path / "data.csv")
    assert len(built(found, text, raw)) == 3


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("1000001,1000002,1000002", [1, 0, 0]),
        ("1.0,0.0,1.0,1.0", [1, 0, 1, 1]),
        ("1 ,0 ,1 ,1 ", [1, 0, 1, 1]),
        ("0.5,1e-9,1e-9", [1, 0, 0]),
        ("TRUE,False,true", [1, 0, 1]),
        ("\U0001f600,no,no", [1, 0, 0]),
        ("3,,1,2,1", ["3", "1", "2", "1"]),
        ("1,01,2,3", ["1", "1", "2", "3"]),
        ("1,01,2", [1, 1, 0]),
        ("0.0,,1.0", [0, 1]),
        ("-1,+1,-1,1", [0, 1, 0, 1]),
        ("a\x85,b,\u2028c", ["a\x85", "b", "\u2028c"]),
        ("1\x1f,2,2", [1, 0, 0]),
        ("\xa01,2,2", [1, 0, 0]),
        (" inf,2,2", [1, 0, 0]),
    ],
)
def test_labels_as_the_printed_build_makes_them(
    tmp_path: Path, label: str, expected: list[object]
) -> None:
    rows = "\n".join(f"{n}.5,{y}" for n, y in enumerate(label.split(",")))
    found, text = drafted(written(tmp_path, f"x,y\n{rows}"), label="y")
    made = built(found, text, pd.read_csv(tmp_path / "data.csv"))
    assert list(made["y"]) == expected


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("1.5,inf,2.5", "has infinite values"),
        ("1.5,1e400,2.5", "has infinite values"),
        ("18446744073709551615,7,7", "has whole numbers beyond 64 bits"),
        ("9007199254740993,9007199254740992,", "has whole numbers beyond 2^53"),
        ("1,01,+1", "has fewer than two different values"),
    ],
)
def test_labels_that_pandas_would_change(tmp_path: Path, label: str, said: str) -> None:
    rows = "\n".join(f"{n}.5,{y}" for n, y in enumerate(label.split(",")))
    with pytest.raises(BadInput, match=said.replace("^", r"\^")):
        drafted(written(tmp_path, f"x,y\n{rows}"), label="y")


def test_the_header_as_it_stands_goes_before_the_name_made_of_another(tmp_path: Path) -> None:
    path = written(tmp_path, "a b,a_b,A B,x\n1,0.5,7,1\n1,1.5,8,2\n0,2.5,9,3\n")
    assert drafted(path, label="a_b")[0].label.header == "a_b"
    assert drafted(path, label="a b")[0].label.header == "a b"
    names = {c.header: c.name for c in drafted(path, label="x")[0].inputs}
    assert names == {"a b": "a_b_2", "a_b": "a_b", "A B": "a_b_3"}


@pytest.mark.parametrize("taken", [["row_id"], ["row_id", "Row id"], ["row_id_2", "row_id"]])
def test_the_made_key_is_no_column_of_the_file(tmp_path: Path, taken: list[str]) -> None:
    path = written(
        tmp_path, ",".join([*taken, "y"]) + "\n" + f"{'1,' * len(taken)}0\n{'2,' * len(taken)}1\n"
    )
    found, text = drafted(path)
    parsed = Contract.parse(text, name="draft")
    assert len(parsed.inputs) == len(taken) and parsed.keys.request not in parsed.inputs
    table = built(found, text, pd.read_csv(path))
    assert not check_table(parsed, table).bad.any()


def test_a_contract_that_somebody_corrected_is_never_written_over(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(here, "x,y\n1,0\n2,1\n")
    contract.CONTRACT.write_text("task: taxi\nproblem: regression\n")
    assert main(["contract", "data.csv"]) == 0
    assert "contract.yaml says regression" in capsys.readouterr().out
    assert contract.CONTRACT.read_text() == "task: taxi\nproblem: regression\n"
    assert "task: taxi" in contract.DRAFT.read_text()
    contract.DRAFT.write_text("corrected")
    assert main(["contract", "data.csv"]) == 2
    assert "contract.draft.yaml is there already" in capsys.readouterr().err
    assert contract.DRAFT.read_text() == "corrected"
    assert main(["contract", "data.csv", "--replace"]) == 0
    assert contract.DRAFT.read_text() != "corrected"


# What is wrong with a file


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "data.csv is empty; allowed: a CSV file with a header line."),
        ("\n1,2\n", "data.csv begins with an empty line"),
        ("a,b\n", "data.csv has a header and no rows."),
        ("a,b\n\n\n", "data.csv has a header and no rows."),
        ("a,b,a\n1,2,3\n", "data.csv has more than one column a; each needs a name of its own."),
        ("a;b\n1;2\n", "It seems to be separated by ';': add --separator ';'"),
        ("a\tb\n1\t2\n", "It seems to be separated by '\\t': add --separator '\\t'"),
        ("a\n1\n", "data.csv has one column; allowed: at least two"),
        ("a,b\n1,2\n3\n", "data.csv, line 3: 1 fields, but the header has 2."),
        ("a,b\n1,2,3\n", "line 2: 3 fields, but the header has 2. A text that holds ',' must"),
        ('a,b\n1,"2\n3\n', "a double quote was opened and never closed"),
        ('a,b\n1,"2"x\n', "text after a closing double quote"),
        ("a,b\n1,é\n".encode("latin-1"), "data.csv, line 2: not UTF-8 text."),
        ("a,b\n1,2\n".encode("utf-16"), "data.csv, line 1: not UTF-8 text."),
        (b"a,b\n1,\x002\n", "data.csv, line 2: a NUL character"),
        (b"a,b\n1," + b"x" * 2_000_000, "data.csv, line 2: longer than 1 MB"),
        (b"a,b\n1," + b"x" * 200_000, "a field of more than 131,072 characters"),
        (",".join(f"c{n}" for n in range(1001)), "data.csv has 1,001 columns; allowed: 1,000."),
        ("a,b\nx,x\nx,x\n", "no column could be a label"),
        ("a,b\n2026-01-01,1\n2026-01-02,2\n2026-01-03,3\n", "no column could be an input"),
    ],
)
def test_each_mistake_is_one_sentence(
    here: Path, text: str | bytes, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    written(here, text)
    assert main(["contract", "data.csv"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line and len(line) < 400
    assert not contract.DRAFT.exists()


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("z", "--label is 'z', and no column is; the file has day, b."),
        ("day", "--label is 'day', which holds dates"),
    ],
)
def test_a_label_that_cannot_be_one(
    here: Path, label: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    written(here, "day,b\n2026-01-01,1\n2026-01-02,2\n")
    assert main(["contract", "data.csv", "--label", label]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "gone.csv", "folder"])
def test_what_is_no_file(here: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "folder").mkdir()
    assert main(["contract", name]) == 2
    assert "is no file" in capsys.readouterr().err
