"""What `actions/upload-artifact` and `download-artifact` do: files to and from a folder of the run, and to GitHub.

GitHub may have no room for an upload: then the step fails with GitHub's words.
"""

from __future__ import annotations

import glob
import io
import os
import shutil
import sys
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path


def chosen(patterns: str) -> list[Path]:
    """The files the patterns name; a directory means everything below it."""
    files: set[Path] = set()
    for pattern in filter(None, (line.strip() for line in patterns.splitlines())):
        for match in glob.glob(pattern, recursive=True):
            path = Path(match)
            files |= {p for p in path.rglob("*") if p.is_file()} if path.is_dir() else {path}
    return sorted(files)


def root(patterns: str, files: list[Path]) -> Path:
    """The folder that names in the artifact are relative to."""
    lines = [line.strip() for line in patterns.splitlines() if line.strip()]
    if len(lines) == 1 and Path(lines[0]).is_dir():
        return Path(lines[0])
    return Path(os.path.commonpath([str(p.parent) or "." for p in files])) if files else Path(".")


def refused(name: str, members: dict[str, Path]) -> str:
    """Upload; GitHub's words when it does not take the artifact."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, path in sorted(members.items()):
            archive.write(path, member)
    days, run = os.environ["INPUT_RETENTION_DAYS"], os.environ["GITHUB_RUN_ID"]
    query = urllib.parse.urlencode({"run": run, "name": name, "days": days})
    address = f"{os.environ['GITHUB_API_URL']}/_upload/artifact?{query}"
    try:
        urllib.request.urlopen(address, data=content.getvalue(), timeout=60).close()
    except urllib.error.HTTPError as error:
        return error.read().decode()
    return ""


def main() -> int:
    store = Path(os.environ["HARNESS"], "artifacts")
    name, patterns = os.environ["INPUT_NAME"], os.environ["INPUT_PATH"]
    if sys.argv[1] == "download":
        if not (store / name).is_dir():
            print(f"::error::Artifact not found for name: {name}")
            return 1
        shutil.copytree(store / name, patterns or ".", dirs_exist_ok=True)
        return 0
    files = chosen(patterns)
    if not files:
        policy = os.environ["INPUT_IF_NO_FILES_FOUND"] or "warn"
        print(f"::{'error' if policy == 'error' else 'warning'}::No files were found: {patterns}")
        return int(policy == "error")
    base = root(patterns, files)
    if why := refused(name, {os.path.relpath(path, base): path for path in files}):
        print(f"::error::{why}")
        return 1
    for path in files:
        target = store / name / os.path.relpath(path, base)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    page = "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}/artifacts/1"
    with Path(os.environ["GITHUB_OUTPUT"]).open("a") as output:
        output.write(f"artifact-url={page.format(**os.environ)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
