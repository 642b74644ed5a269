"""The whole story on one machine: generate, train, release, ship, serve, improve, be refused, roll back.

Nothing in it is a stand-in: real data, real DVC, real Git with a bare origin, a real service under real load. Only
GitHub is missing; where it would merge a pull request, the story merges the branch itself.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from ci_scripts import demo_picture
from ci_scripts.bake import ROOT, bake, export
from ci_scripts.load import Load
from ci_scripts.stage import Stage, StageError

RATE = 240
# Load before, and after, the rollback: long enough that a lost request would show on either side.
ANSWERS_BEFORE = 500
ANSWERS_AFTER = 1500
# The reports of a story whose folder is deleted.
KEPT = ROOT / "build/demo"


class Narrator:
    """Numbered steps, each with the commands a user would type, what came of them, and how long it took."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._step = 0
        self._quiet = quiet
        self._began = time.monotonic()
        self._colour = sys.stdout.isatty()
        self.told: list[str] = []

    def step(self, title: str) -> None:
        """Begin a step."""
        self._step += 1
        title, after = f"{self._step}. {title}", f"  [{time.monotonic() - self._began:.0f} s]"
        self.told += ["", title + after]
        print(f"\n{self._bold(title)}{after}", flush=True)

    def do(self, words: str, action: Callable[[], str]) -> str:
        """Show a command, run it, and return its output."""
        self._line(f"   $ {words}")
        return action()

    def tell(self, text: str) -> None:
        """One fact."""
        self._line(f"     {text}")

    def figures(self, text: str) -> None:
        """What the story came to."""
        self._line(text)

    def tail(self, output: str, pattern: str) -> None:
        """The lines of a command's output that match."""
        for line in output.splitlines():
            if re.search(pattern, line):
                self.tell(line.strip())

    def _line(self, text: str) -> None:
        self.told.append(text)
        if not self._quiet:
            print(text, flush=True)

    def _bold(self, text: str) -> str:
        return f"\033[1m{text}\033[0m" if self._colour else text


def story(stage: Stage, narrator: Narrator, options: dict[str, str]) -> dict[str, Any]:
    """Tell it. Returns the figures of the rollback. Raises StageError when the story goes wrong."""
    say, make, git = narrator, stage.make, stage.git
    say.step("Generate a model repository")
    generate(stage, options)
    say.tell(f"{stage.repo}  ({len(git('ls-files').splitlines())} files)")
    say.tell(f"origin: {stage.origin}; DVC remote: {stage.storage}")

    say.step("Version the data of January to March, and train on it")
    branch(stage, "first-model")
    data_and_train(stage, say)
    commit(stage, "Train on January to March")

    say.step("Check: nothing is in production yet, so limits and budgets alone decide")
    say.tail(say.do("make check", lambda: make("check")), r"check: (May ship|note)")

    say.step("Release and ship version 1")
    merge(stage, "first-model")
    first = release_and_ship(stage, say)

    say.step("Deploy, and ask the service something")
    stage.start_service()
    say.tail(say.do("make serve &  make deploy", lambda: make("deploy")), r"^live")
    question = golden(stage)[0]
    answer = stage.ask(question)
    say.tell(
        f"POST /predict {json.dumps({k: question[k] for k in ('origin', 'carrier', 'dest', 'minute')})} ..."
    )
    say.tell(f"-> {json.dumps(answer)}")

    say.step("April and May arrive: a new data version, a new candidate")
    branch(stage, "two-more-months")
    edit(stage, "last_month: 2013-03", "last_month: 2013-05")
    data_and_train(stage, say)
    commit(stage, "Train on January to May")
    say.tail(say.do("make check", lambda: make("check")), r"check: ")

    say.step("Release and ship version 2")
    merge(stage, "two-more-months")
    second = release_and_ship(stage, say)
    say.tail(say.do("make deploy", lambda: make("deploy")), r"live")

    say.step("A worse idea: train on two days only. The gate refuses it")
    branch(stage, "two-days")
    edit(stage, "first_month: 2013-01", "first_month: 2013-05")
    edit(stage, "test_days: 28", "test_days: 29")
    data_and_train(stage, say)
    commit(stage, "Train on two days of May")
    refused = say.do("make check", lambda: make("check", expect=1))
    say.tail(refused, r"check: (blocks|Blocked)|note")
    keep_report(stage, "refused")
    git("switch", "--quiet", "main")
    say.tell("nothing was merged, so there is nothing to undo")
    say.do("git switch main && dvc checkout", lambda: stage.run("dvc", "checkout", "--quiet"))
    return roll_back(stage, say, first, second)


def generate(stage: Stage, options: dict[str, str]) -> None:
    """Bake the template, `make setup`, and push to a bare origin."""
    answers = {
        "project_name": "Flight Delay",
        "project_slug": stage.repo.name,
        "owner": "octo-team",
        "dvc_remote": "local",
        "remote_url": str(stage.storage),
    }
    with tempfile.TemporaryDirectory() as template:
        bake(export(Path(template)), stage.folder, answers | options)
    stage.storage.mkdir()
    settings = stage.repo / "serving.yaml"
    settings.write_text(re.sub(r"(?m)^port: \d+", f"port: {stage.port}", settings.read_text()))
    stage.make("setup")
    stage.run(
        "git",
        "init",
        "--quiet",
        "--bare",
        "--initial-branch=main",
        str(stage.origin),
        cwd=stage.folder,
    )
    commit(stage, "Generate the repository")
    stage.git("remote", "add", "origin", str(stage.origin))
    stage.git("push", "--quiet", "--set-upstream", "origin", "main")


def branch(stage: Stage, name: str) -> None:
    """Start a branch, as one would for a pull request."""
    stage.git("switch", "--quiet", "--create", name)


def commit(stage: Stage, subject: str) -> None:
    """Commit everything that changed."""
    stage.git("add", "--all")
    stage.git("commit", "--quiet", "--message", subject)


def merge(stage: Stage, name: str) -> None:
    """What the Merge button does."""
    stage.git("switch", "--quiet", "main")
    stage.git("merge", "--quiet", "--no-ff", "--message", f"Merge {name}", name)
    stage.git("push", "--quiet", "origin", "main")


def edit(stage: Stage, old: str, new: str) -> None:
    """Change one line of params.yaml."""
    path = stage.repo / "params.yaml"
    text = path.read_text()
    if text.count(old) != 1:
        raise StageError(f"params.yaml has '{old}' {text.count(old)} times, not once")
    path.write_text(text.replace(old, new))


def data_and_train(stage: Stage, say: Narrator) -> None:
    """`make data`, `make train`, and what they made."""
    say.tail(say.do("make data", lambda: stage.make("data")), r"^data: \d")
    began = time.monotonic()
    out = say.do("make train", lambda: stage.make("train"))
    say.tail(out, r"prepare: |train: |package: ")
    say.tell(f"{time.monotonic() - began:.0f} s")


def release_and_ship(stage: Stage, say: Narrator) -> str:
    """Release what main's dvc.lock holds, ship it by a commit to production.yaml; returns the model id."""
    say.tail(say.do("make release", lambda: stage.make("release")), r"flight-delay-v\d+")
    tags = stage.git("tag", "--list", "flight-delay-v*", "--sort=-version:refname").split()
    branch(stage, f"ship-{tags[0]}")
    say.do(f"make ship MODEL={tags[0]}", lambda: stage.make("ship", MODEL=tags[0]))
    if stage.git("status", "--porcelain", "--untracked-files=no"):
        stage.git("add", "production.yaml")
        stage.git("commit", "--quiet", "--message", f"Ship {tags[0]}")
    merge(stage, f"ship-{tags[0]}")
    pointer = yaml.safe_load((stage.repo / "production.yaml").read_text())
    say.tell(
        f"production.yaml: stable {pointer['stable']['model']}, sha256 {pointer['stable']['sha256'][:12]}..."
    )
    return tags[0]


def golden(stage: Stage) -> list[dict[str, Any]]:
    """Requests that came with the bundle, to ask the service with."""
    import tarfile

    with tarfile.open(stage.repo / "build/model.tar") as tar:
        member = tar.extractfile("golden.jsonl")
        assert member is not None
        return [json.loads(line)["inputs"] for line in member.read().splitlines()]


def keep_report(stage: Stage, name: str) -> None:
    """A copy of the report, because the next check writes over it."""
    shutil.copy(stage.repo / "reports/check.html", stage.folder / f"check-{name}.html")


def roll_back(stage: Stage, say: Narrator, first: str, second: str) -> dict[str, Any]:
    """Revert the pointer commit under constant load, with the DVC remote gone, and account for every request."""
    say.step(
        f"Roll back to {first} under {RATE} requests a second, with the DVC remote out of reach"
    )
    before = stage.get("/status")["live"]["stable"]
    stage.storage.rename(stage.storage.with_name("dvc-storage.unplugged"))
    with Load("127.0.0.1", stage.port, golden(stage), rate=RATE) as load:
        load.wait_for(ANSWERS_BEFORE)
        began = time.monotonic()
        undo = ("revert", "--no-edit", "-m", "1", "HEAD")
        say.do("git revert -m 1 HEAD  # the merge that shipped it", lambda: stage.git(*undo))
        say.do("git push", lambda: stage.git("push", "--quiet", "origin", "main"))
        say.tail(say.do("make deploy", lambda: stage.make("deploy")), r"^live")
        finished = time.monotonic()
        load.wait_for(sum(load.account.by_model.values()) + ANSWERS_AFTER)
    account = load.account
    answered = account.first_answer(first, after=began)
    after = stage.get("/status")["live"]["stable"]
    stage.storage.with_name("dvc-storage.unplugged").rename(stage.storage)
    return {
        "seconds_to_first_answer": None if answered is None else answered - began,
        "seconds_to_deploy_confirmed": finished - began,
        "sent": account.sent,
        "lost": len(account.lost),
        "wrong": account.wrong(first, second),
        "by_model": dict(account.by_model),
        "p50_ms": account.percentile(0.5) * 1000,
        "p99_ms": account.percentile(0.99) * 1000,
        "before": before,
        "after": after,
    }


def report(stage: Stage, say: Narrator, figures: dict[str, Any], *, kept: bool) -> None:
    """The figures, and where to look."""
    before, after = figures["before"], figures["after"]
    answers = ", ".join(
        f"{model} {count:,}" for model, count in sorted(figures["by_model"].items())
    )
    say.figures(
        f"\nThe rollback\n"
        f"   from `git revert` to the first answer by {after['model']}: {figures['seconds_to_first_answer']:.2f} s "
        f"(deploy confirmed after {figures['seconds_to_deploy_confirmed']:.2f} s)\n"
        f"   requests sent {figures['sent']:,}, lost {figures['lost']}, "
        f"answered by neither version {figures['wrong']}\n"
        f"   answers by version: {answers}; p50 {figures['p50_ms']:.1f} ms, p99 {figures['p99_ms']:.1f} ms\n"
        f"   sha256 before  {before['sha256']}  {before['model']}\n"
        f"   sha256 after   {after['sha256']}  {after['model']}"
    )
    stored = stage.repo / "store/bundles" / f"{after['sha256']}.tar"
    if stored.exists():
        found = hashlib.sha256(stored.read_bytes()).hexdigest()
        say.figures(f"   of the bytes   {found}  store/bundles")
    reports = stage.folder if kept else KEPT
    print("\nWhere to look")
    print(f"   why the worse candidate was refused   {reports / 'check-refused.html'}")
    print(f"   the model card                        {reports / 'MODEL_CARD.md'}")
    print(f"   everything every command printed      {reports / 'demo.log'}")
    print(
        f"   the generated repository              {stage.repo if kept else 'deleted; keep it: make demo KEEP=1'}"
    )


def keep_files(stage: Stage) -> None:
    """Copy what is worth a look out of a folder that is about to be deleted."""
    KEPT.mkdir(parents=True, exist_ok=True)
    for name in ("check-refused.html", "MODEL_CARD.md", "demo.log", "figures.json"):
        shutil.copy(stage.folder / name, KEPT / name)


def save_card(stage: Stage) -> None:
    """The served bundle's model card, as a file one can open."""
    import tarfile

    with tarfile.open(stage.repo / "build/model.tar") as tar:
        member = tar.extractfile("MODEL_CARD.md")
        assert member is not None
        (stage.folder / "MODEL_CARD.md").write_bytes(member.read())


def main() -> int:
    """Tell the story; exit 0 when it ended well: nothing lost, nothing wrong, v1 answering."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--dir", type=Path, help="where to play it (default: a new temporary folder)"
    )
    parser.add_argument("--keep", action="store_true", help="do not delete the folder at the end")
    parser.add_argument(
        "--problem",
        choices=("binary", "multiclass", "regression"),
        default="binary",
        help="which example",
    )
    parser.add_argument("--picture", type=Path, help="also draw what was printed there, as SVG")
    args = parser.parse_args()
    folder = (args.dir or Path(tempfile.mkdtemp(prefix="gitops-model-demo-"))).resolve()
    if folder.exists() and any(folder.iterdir()):
        print(f"demo: {folder} is not empty; choose another DIR.", file=sys.stderr)
        return 2
    folder.mkdir(parents=True, exist_ok=True)
    print(f"The story takes place in {folder}")
    stage, narrator = Stage(folder, log=folder / "demo.log"), Narrator()
    kept = args.keep or args.dir is not None
    try:
        figures = story(stage, narrator, {"problem": args.problem})
        save_card(stage)
        (folder / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    except (StageError, OSError, TimeoutError) as error:
        print(f"\ndemo: {error}\ndemo: everything is still in {folder}", file=sys.stderr)
        return 1
    finally:
        stage.stop_service()
    report(stage, narrator, figures, kept=kept)
    if args.picture:
        args.picture.write_text(demo_picture.svg("\n".join(narrator.told)), encoding="utf-8")
    if not kept:
        keep_files(stage)
        stage.remove()
    well = (
        figures["lost"] == figures["wrong"] == 0 and figures["seconds_to_first_answer"] is not None
    )
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
