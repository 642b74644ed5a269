"""`release`: give the bundle in dvc.lock an id, for ever.

A release comes to be in one step: the creation of its tag on origin. Everything before leaves no trace that
matters, and running the command again finishes or repeats it. The order is: bundle safe in the DVC remote, proven
by reading it back; then the tag. So no tag ever names bytes that are nowhere.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gitops_model.delivery import dvc, releases
from gitops_model.delivery.git import Git
from gitops_model.delivery.lock_file import Out
from gitops_model.errors import BadArtifact, BadInput, Blocked, ExternalFailure, GitopsError
from gitops_model.files import sha256_bytes, sha256_file, size_words
from gitops_model.formats import agreement, record
from gitops_model.formats import check as check_format
from gitops_model.formats.bundle import Bundle
from gitops_model.formats.check import Check
from gitops_model.formats.pointer import Pointer

MAIN = "main"
ATTEMPTS = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--commit", default="HEAD", metavar="REV", help="the commit to release (default: HEAD)"
    )
    parser.add_argument(
        "--any-branch", action="store_true", help=f"allow a commit that is not on {MAIN}"
    )
    parser.add_argument(
        "--no-push", action="store_true", help="make the tag here only; a later `release` pushes it"
    )
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")


@dataclass(frozen=True, kw_only=True)
class Options:
    """`commit` is what to release, on any branch only with `any_branch`. `no_push`: the tag stays in this clone."""

    commit: str = "HEAD"
    any_branch: bool = False
    no_push: bool = False
    json: bool = False


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The release of a bundle: `created` is False when it existed already, `pushed` when origin has it."""

    model: str
    sha256: str
    commit: str
    created: bool
    pushed: bool


def run(options: Options) -> int:
    """Release, and say what came of it and whether it passed the gates."""
    git = Git.open(Path.cwd())
    outcome = release(
        git, rev=options.commit, any_branch=options.any_branch, push=not options.no_push
    )
    made = releases.load(git, outcome.model)
    if options.json:
        print(json.dumps({**vars(outcome), "passed": made.passed}))
        return 0
    if outcome.created:
        where = "pushed to origin" if outcome.pushed else "in this clone only"
        print(
            f"release: {outcome.model} is commit {outcome.commit[:12]}, sha256 {outcome.sha256[:12]}…, {where}."
        )
        print(f"  What exactly it is: git show {outcome.model}")
    else:
        print(
            f"release: nothing to do, this bundle already is {outcome.model} (sha256 {outcome.sha256[:12]}…)."
        )
    if not made.passed:
        print(f"  It is not proposed for shipping: {outcome.model} {made.verdict}")
        print(
            f"  Only if you take the responsibility: make ship MODEL={outcome.model} ACCEPT='reason'"
        )
    else:
        print(f"  Ship it:            make ship MODEL={outcome.model}")
    return 0


def release(git: Git, *, rev: str = "HEAD", any_branch: bool = False, push: bool = True) -> Outcome:
    """Release the bundle that dvc.lock at `rev` holds; a no-op when a release has the same bundle.

    Raises Blocked (not on main, stale dvc.lock), BadArtifact (bundle missing or damaged), ExternalFailure.
    """
    push = push and git.has_origin()
    if push:
        _update(git)
    commit = git.need(rev)
    _check_place(git, commit, any_branch=any_branch)
    out = dvc.bundle_at(git, commit)
    data = _bundle_bytes(git, out)
    sha256 = sha256_bytes(data)
    bundle = Bundle.open(data, sha256=sha256, name=dvc.BUNDLE)
    task = bundle.manifest["task"]
    existing = _existing(git, task, sha256, push=push)
    if existing is not None:
        return existing
    _check_lock_is_current(git, commit)
    _make_safe(git, out, sha256, task)
    facts = _facts(git, bundle, out, commit)
    return _claim(git, task, sha256, commit, facts, push=push)


# Makes a ref of origin name a tag like this local object: the object that origin then has, and "" or the problem.
Create = Callable[[str, str], tuple[str, str]]


def release_bytes(git: Git, *, commit: str, data: bytes, create: Create) -> Outcome:
    """Release a bundle that was built from `commit` just now, also where its bytes differ from dvc.lock.

    That is what happens where no DVC remote holds the bundle: CI builds it again, judges what it built, and releases
    that very file. `create` makes the tag on origin. Raises like `release`.
    """
    _update(git)
    _check_place(git, commit, any_branch=False)
    sha256 = sha256_bytes(data)
    bundle = Bundle.open(data, sha256=sha256, name=dvc.BUNDLE)
    task = bundle.manifest["task"]
    existing = _existing(git, task, sha256, push=True)
    if existing is not None:
        return existing
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    out = Out(path=dvc.BUNDLE, md5=md5, size=len(data))
    if md5 == dvc.bundle_at(git, commit).md5:
        _make_safe(git, out, sha256, task)
    facts = _facts(git, bundle, out, commit)
    return _claim(git, task, sha256, commit, facts, push=True, create=create)


def _update(git: Git) -> None:
    fetched = git.fetch(branch=MAIN)
    if not fetched.reached:
        raise ExternalFailure(
            f"origin cannot be reached, and ids are given out there: {fetched.problem}. Try again, or make "
            "the release in this clone only: make release NO_PUSH=1"
        )
    moved = [name for name in fetched.moved if record.is_id(name)]
    if moved:
        raise BadArtifact(
            f"origin has another tag {', '.join(moved)} than this clone: it was moved there, or made "
            "here and never pushed while somebody else took the id. If yours was never shared, drop it "
            "(git tag -d <tag>) and run `make release` again."
        )


def _check_place(git: Git, commit: str, *, any_branch: bool) -> None:
    if not any_branch:
        home = f"origin/{MAIN}" if git.commit(f"refs/remotes/origin/{MAIN}") else MAIN
        if git.commit(home) is None or not git.contains(ancestor=commit, rev=home):
            raise Blocked(
                f"commit {commit[:12]} is not on {home}, and only reviewed commits are released. Merge it first"
                + (f" (git push origin {MAIN})" if home != MAIN else "")
                + ", or allow it: make release ANY_BRANCH=1"
            )
    if commit == git.commit("HEAD") and git.changes("dvc.lock"):
        raise Blocked(
            "dvc.lock has changes that are not committed; commit them, or undo them: git checkout dvc.lock"
        )


def _check_lock_is_current(git: Git, commit: str) -> None:
    # Only the commit that is checked out can be compared with dvc.lock; for another one the gate did it.
    if commit != git.commit("HEAD") or git.changes():
        return
    stale = dvc.stale_stages(git.root)
    if stale:
        raise Blocked(
            "dvc.lock is not what this commit would build, so a record would lie about it. Run `make train`, commit "
            "dvc.lock.\n" + "\n".join(f"  {reason}" for reason in stale)
        )


def _bundle_bytes(git: Git, out: Out) -> bytes:
    for path in (git.root / out.path, dvc.cached(git.root, out.md5)):
        if path.is_file() and dvc.file_md5(path) == out.md5:
            return path.read_bytes()
    remote = dvc.default_remote(git.root)
    problem = "there is no DVC remote"
    if remote is not None:
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "object"
            doing = f"fetching {out.path} ({size_words(out.size)}) from the DVC remote '{remote}'"
            problem = dvc.from_remote(
                git.root, remote=remote, md5=out.md5, target=target, doing=doing
            )
            if not problem and dvc.file_md5(target) == out.md5:
                return target.read_bytes()
            problem = problem or "the DVC remote holds other bytes"
    raise BadArtifact(
        f"the bundle that dvc.lock names (md5 {out.md5[:12]}…) is neither in build/ nor in DVC's cache; {problem}. "
        "Build it again: make train",
        reason="missing",
    )


def _existing(git: Git, task: str, sha256: str, *, push: bool) -> Outcome | None:
    """The oldest release of this bundle. One that an earlier run left in this clone only is pushed now."""
    model = next((name for name, sha in releases.shas(git, task).items() if sha == sha256), None)
    if model is None:
        return None
    tag = releases.load(git, model).tag
    ref = f"refs/tags/{model}"
    if not push or ref in git.remote_refs(ref):
        return Outcome(model=model, sha256=sha256, commit=tag.commit, created=False, pushed=push)
    _make_safe(git, dvc.bundle_at(git, tag.commit), sha256, task)
    problem = git.push(f"{tag.object}:{ref}")
    if problem and git.remote_refs(ref).get(ref) != tag.object:
        raise ExternalFailure(f"{model} exists in this clone, but cannot be pushed: {problem}.")
    return Outcome(model=model, sha256=sha256, commit=tag.commit, created=True, pushed=True)


def _make_safe(git: Git, out: Out, sha256: str, task: str) -> None:
    """See to it that the DVC remote, if there is one, gives these very bytes back. Raises ExternalFailure."""
    remote = dvc.default_remote(git.root)
    if remote is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "object"

        def held() -> bool:
            doing = f"reading {out.path} ({size_words(out.size)}) back from '{remote}'"
            problem = dvc.from_remote(
                git.root, remote=remote, md5=out.md5, target=target, doing=doing
            )
            return not problem and sha256_file(target) == sha256

        if held():
            return
        dvc.push_out(git.root, out.path, size=out.size, used=bool(git.tag_names(f"{task}-v*")))
        if not held():
            raise ExternalFailure(
                f"the DVC remote '{remote}' does not give the bundle back that was just pushed. Nothing was released. "
                f"See what it holds: dvc data status --not-in-remote; push again: dvc push {out.path}"
            )


def _claim(
    git: Git,
    task: str,
    sha256: str,
    commit: str,
    facts: Mapping[str, Any],
    *,
    push: bool,
    create: Create | None = None,
) -> Outcome:
    """Take the next free id. Whoever creates the tag on origin first has it; the others try the one after."""
    problem = ""
    for attempt in range(ATTEMPTS):
        time.sleep(random.uniform(0.0, 0.05 * attempt))  # noqa: S311  no secret
        if push:
            # The next id and "nobody released this bundle yet" must come from one look at origin. A look that is out
            # of date proposes an id that is taken by now, and the push is refused.
            _update(git)
        existing = _existing(git, task, sha256, push=push)
        if existing is not None:
            return existing
        taken = {*git.tag_names(f"{task}-v*"), *releases.ids_in_history(git)}
        model = str(record.next_id(task, taken))
        message = record.format_record({"schema": 1, "model": model, **facts})
        when = int(datetime.fromisoformat(facts["released"]["at"]).timestamp())
        target = git.make_tag_object(name=model, commit=commit, message=message, when=when)
        ref = f"refs/tags/{model}"
        if push:
            if create is None:
                problem = git.push(f"{target}:{ref}")
            else:
                target, problem = create(ref, target)
            # A lost answer is no lost push: what origin holds decides.
            holder = git.remote_refs(ref).get(ref) if problem else target
            if holder is None:
                raise ExternalFailure(
                    f"tag {model} cannot be pushed: {problem}. Nothing was released."
                )
            if holder != target:
                continue
            if create is not None:
                # The tag that origin made may have other bytes than ours.
                _update(git)
                return Outcome(model=model, sha256=sha256, commit=commit, created=True, pushed=True)
        if git.create_ref(ref, target) or git.commit(ref) == commit:
            return Outcome(model=model, sha256=sha256, commit=commit, created=True, pushed=push)
        problem = f"{model} appeared in this clone meanwhile"
    raise ExternalFailure(
        f"all {ATTEMPTS} attempts to take an id failed, others were faster each time; last: {problem}."
    )


def _facts(git: Git, bundle: Bundle, out: Out, commit: str) -> dict[str, Any]:
    """The release record without schema and id."""
    own = agreement.of_bundle(bundle)
    return {
        **own,
        "artifact": {"path": out.path, "md5": out.md5, **own["artifact"]},
        "code": {"commit": commit, **own["code"]},
        **agreement.of_verdict(verdict(git, bundle.sha256, commit), sha256=bundle.sha256),
        "rollback_target": stable_at(git, commit),
        "released": {
            "by": git.identity(),
            "at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        },
    }


def verdict(git: Git, sha256: str, commit: str) -> Check | None:
    """The report of `make check` about this very bundle, here or as committed; None when there is none."""
    texts = [git.read(commit, "reports/check.json")]
    path = git.root / "reports" / "check.json"
    if path.is_file():
        texts.insert(0, path.read_bytes())
    for text in texts:
        try:
            check = check_format.read(json.loads(text or b"null"), name="reports/check.json")
        except (ValueError, BadInput):
            continue
        if isinstance(check, Check) and check.candidate.sha256 == sha256:
            return check
    return None


def stable_at(git: Git, commit: str) -> str | None:
    """The model that production.yaml of `commit` points to, or None."""
    try:
        pointer = Pointer.parse(git.text(commit, releases.POINTER) or "")
    except GitopsError:
        return None
    return pointer.stable.model if pointer.stable else None
