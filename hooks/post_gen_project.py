"""Deletes the lock files of storages that were not chosen, and says what to do next."""

import json
from pathlib import Path

answers = json.loads(r"""{{ cookiecutter | tojson }}""")

for kind in ("s3", "gs", "azure", "ssh"):
    if kind != answers["dvc_remote"]:
        for ending in ("in", "txt"):
            Path(f"requirements-{kind}.{ending}").unlink(missing_ok=True)

print(f"""
{answers["project_name"]} is ready. What comes next:

  cd {Path.cwd()}
  git init -b main && git add --all && git commit -m "Generate the repository"
  make setup     the environment, git and DVC: about a minute, 760 MB
  make data      the raw data: three months of example flights
  make train     prepare, train, evaluate, package
  make check     would this model be allowed to ship?

README.md is one page and says how to go on from there.""")
if answers["owner"] == "your-github-name":
    print(
        "\nThe owner is still 'your-github-name': put your GitHub name or team into .github/CODEOWNERS."
    )
