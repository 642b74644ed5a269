"""Does a new repository work with the newest packages? Resolves its locks anew, and goes the way of a new user.

python -m ci_scripts.newest            exit 1 at the first step that fails
python -m ci_scripts.newest --issue    in GitHub Actions, after a failure: one open issue says so
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from ci_scripts.bake import bake, export

TITLE = "A new repository does not work with the newest packages"
STEPS = ("setup", "data", "train", "check", "test", "lint")
_PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", re.MULTILINE)


def changes(old: str, new: str) -> list[str]:
    """Packages whose version differs between two locks, in words."""
    before, after = dict(_PIN.findall(old)), dict(_PIN.findall(new))
    return [
        f"{name} {before.get(name, 'new')} -> {after.get(name, 'gone')}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def body(run: str) -> str:
    """What the issue says."""
    return (
        f"A repository was generated, its packages were resolved to the newest versions, and a step failed: {run}\n\n"
        "The first lines of the step say which packages are newer than in our locks. Resolve ours (`make lock "
        "UPGRADE=1`), mend what broke or hold the package back with the reason, and close this issue.\n"
    )


def tell(run: str) -> str:
    """Open the issue, or add this run to the one that is open. Returns its address."""
    listed = _gh(
        "issue", "list", "--state", "open", "--search", f'in:title "{TITLE}"', "--json", "title,url"
    )
    urls = [one["url"] for one in json.loads(listed) if one["title"] == TITLE]
    if urls:
        _gh("issue", "comment", urls[0], "--body", f"It failed again: {run}")
        return str(urls[0])
    return _gh("issue", "create", "--title", TITLE, "--body", body(run)).strip()


def _gh(*words: str) -> str:
    done = subprocess.run(["gh", *words], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def play(folder: Path) -> bool:
    """The way of a new user, with the newest packages. False at the first step that fails."""
    repository = bake(export(folder / "template"), folder / "out", {})
    env = {
        key: value
        for key, value in os.environ.items()
        if key != "VENV" and not key.startswith(("MAKE", "MFLAGS", "PYTHON"))
    }
    for who in ("AUTHOR", "COMMITTER"):
        env |= {f"GIT_{who}_NAME": "Weekly", f"GIT_{who}_EMAIL": "weekly@example.com"}

    def run(*words: str) -> bool:
        print(f"newest: {' '.join(words)}", flush=True)
        return subprocess.run(words, cwd=repository, env=env, check=False).returncode == 0

    old = (repository / "requirements.txt").read_text(encoding="utf-8")
    # This interpreter's environment resolves, and stays as it is: `lock` would install what it found.
    if not run("make", "-o", "setup", "MAKE=:", f"VENV={sys.prefix}", "UPGRADE=1", "lock"):
        return False
    new = (repository / "requirements.txt").read_text(encoding="utf-8")
    print(
        "newest: newer than in our lock:", *changes(old, new) or ["nothing"], sep="\n  ", flush=True
    )
    for step in STEPS:
        if not run("make", step):
            print(f"newest: `make {step}` fails with these packages", file=sys.stderr)
            return False
        if step in ("setup", "train") and not (
            run("git", "add", "--all") and run("git", "commit", "-q", "--no-verify", "-m", step)
        ):
            return False
    return True


def main() -> int:
    """Play it, or tell."""
    parser = argparse.ArgumentParser(prog="python -m ci_scripts.newest", description=__doc__)
    parser.add_argument("--issue", action="store_true", help="open the issue instead")
    if parser.parse_args().issue:
        server, name = os.environ["GITHUB_SERVER_URL"], os.environ["GITHUB_REPOSITORY"]
        print(tell(f"{server}/{name}/actions/runs/{os.environ['GITHUB_RUN_ID']}"))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        return 0 if play(Path(folder)) else 1


if __name__ == "__main__":
    sys.exit(main())
