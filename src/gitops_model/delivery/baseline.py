"""What a candidate is measured against: the model, the gates and the history of the branch it would merge into."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gitops_model.delivery.git import Git
from gitops_model.errors import BadInput, shorten
from gitops_model.formats.contract import Contract
from gitops_model.formats.gate_changes import weakened
from gitops_model.formats.gates import Gates
from gitops_model.formats.params import Params
from gitops_model.formats.pointer import Pointer, Ref

WORKING_TREE = "the working tree"


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """`ref` is what the user calls the base branch, `commit` what it was; `pointer` is its production.yaml.

    `gates` and `contract` decide, and say what is measured: the base's, or where it has none the working tree's own.
    `gates_ref` is the branch whose gates.yaml decides; None: the base has none, and the working tree's was taken.
    `trusted_types` are what skops may load while judging: what params.yaml of the base branch says, because a list
    that comes with the candidate would let it run its own code in the judge.
    Before the first commit `ref` is the working tree, and `commit` is "".
    """

    ref: str
    commit: str
    pointer: Pointer
    contract: Contract
    gates: Gates
    gates_ref: str | None
    trusted_types: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def stable(self) -> Ref | None:
        """The model in production; None: there is none."""
        return self.pointer.stable


def find(ref: str | None, *, root: Path = Path()) -> Baseline:
    """Read what decides on the base branch. Raises BadInput when a file there is wrong."""
    git = Git.open(root)
    chosen = ref or next((r for r in ("origin/main", "main") if git.commit(r)), "HEAD")
    commit = git.commit(chosen)
    if commit is None and ref is not None:
        raise BadInput(
            f"'{shorten(ref)}' is no branch or commit here. Fetch it (git fetch origin), or name another. Example: "
            "make check BASE=main"
        )
    warnings = []
    if commit is None:
        chosen, commit = WORKING_TREE, ""
        warnings.append(
            "Nothing is committed yet, so this verdict uses the gates of the working tree. Commit: "
            "git add --all && git commit -m Start"
        )

    names = ("production.yaml", "gates.yaml", "contract.yaml", "params.yaml")
    pointer_text, gates_text, contract_text, params_text = (
        git.text(commit, name) if commit else _text(root / name) for name in names
    )
    mine = (root / "gates.yaml").read_text(encoding="utf-8")
    gates_ref = chosen if commit and gates_text is not None else None
    if gates_text is None:
        gates_text = mine
        warnings.append(f"{chosen} has no gates.yaml yet; this branch's own gates were used.")
    elif gates_text != mine:
        warnings.append(
            f"gates.yaml differs from {chosen}. This verdict uses the gates of {chosen}; a change counts only once "
            "it is there."
        )
    pointer = Pointer()
    if pointer_text is None:
        warnings.append(f"{chosen} has no production.yaml yet.")
    else:
        pointer = Pointer.parse(pointer_text, name=f"{chosen}:production.yaml")
    contract = own = Contract.load(root / "contract.yaml")
    if contract_text is not None:
        contract = Contract.parse(contract_text, name=f"{chosen}:contract.yaml")
    if pointer.stable is not None and contract != own:
        warnings.append(
            f"contract.yaml differs from {chosen}. Label, slices, costs and threshold in this verdict are those of "
            f"{chosen}; a change counts only once it is there."
        )
    rules = Gates.parse(gates_text, name=f"{chosen}:gates.yaml")
    warnings += allows_more(rules, mine)
    return Baseline(
        ref=chosen,
        commit=commit,
        pointer=pointer,
        contract=contract,
        gates=rules,
        gates_ref=gates_ref,
        trusted_types=_trusted_types(params_text, name=f"{chosen}:params.yaml"),
        warnings=tuple(warnings),
    )


def allows_more(gates: Gates, mine: str) -> list[str]:
    """What a reviewer of the changed gates.yaml should see; nothing when it tightens, or cannot be read yet."""
    try:
        found = weakened(gates, Gates.parse(mine, name="gates.yaml"))
    except BadInput:
        return []
    return [f"gates.yaml here allows more: {'; '.join(found)}."] if found else []


def _trusted_types(text: str | None, *, name: str) -> tuple[str, ...]:
    try:
        return () if text is None else Params.parse(text, name=name).trusted_types
    except BadInput:
        # The change that mends the file must be judged too, and most models need no type of their own.
        return ()


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
