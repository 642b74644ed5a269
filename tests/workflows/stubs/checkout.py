"""What `actions/checkout` does as far as tests can see it: a real fetch over HTTP with the job's own token."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path


def main() -> int:
    env = os.environ
    token = Path(env["HARNESS"], "tokens", env["GITHUB_JOB"]).read_text()
    repository = env["INPUT_REPOSITORY"] or env["GITHUB_REPOSITORY"]
    url = f"{env['GITHUB_API_URL']}/{repository}.git"
    folder = Path(env["GITHUB_WORKSPACE"], env["INPUT_PATH"] or ".")
    folder.mkdir(parents=True, exist_ok=True)
    secret = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    header = f"AUTHORIZATION: basic {secret}"
    persist = env["INPUT_PERSIST"] != "false"

    def git(*args: str) -> None:
        subprocess.run(["git", "-C", str(folder), *args], check=True)

    ref = env["INPUT_REF"]
    if not ref and repository == env["GITHUB_REPOSITORY"]:
        ref = env["GITHUB_REF"] if env["GITHUB_REF"].startswith("refs/pull/") else env["GITHUB_SHA"]
    ref = ref or "HEAD"
    git("init", "-q", "-b", "main")
    git("remote", "add", "origin", url)
    command = [
        "git",
        "-C",
        str(folder),
        "-c",
        f"http.extraheader={header}",
        "-c",
        "maintenance.auto=false",
    ]
    command += ["fetch", "-q"]
    if env["INPUT_DEPTH"] == "0":
        command += ["--tags", "origin", ref, "+refs/heads/*:refs/remotes/origin/*"]
    else:
        command += ["--no-tags", "--depth", env["INPUT_DEPTH"] or "1", "origin", ref]
    # What is fetched first stands first in FETCH_HEAD.
    done = subprocess.run(command, check=False)
    if done.returncode:
        return done.returncode
    local = ref.removeprefix("refs/heads/")
    tracked = subprocess.run(
        ["git", "-C", str(folder), "rev-parse", "-q", "--verify", f"refs/remotes/origin/{local}"],
        capture_output=True,
        check=False,
    )
    if tracked.returncode == 0:
        git("checkout", "-q", "-B", local, f"refs/remotes/origin/{local}")
    else:
        git("checkout", "-q", "--detach", "FETCH_HEAD")
    if persist:
        git("config", "http.extraheader", header)
    return 0


if __name__ == "__main__":
    sys.exit(main())
