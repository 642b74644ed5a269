"""Deletes what was not chosen or must not be committed, and says what to do next."""

import json
import re
from pathlib import Path

answers = json.loads(r"""{{ cookiecutter | tojson }}""")

for kind in ("s3", "gs", "azure", "ssh"):
    if kind != answers["dvc_remote"]:
        for ending in ("in", "txt"):
            Path(f"requirements-{kind}.{ending}").unlink(missing_ok=True)

# A name or token before the host; an @ in the path stays.
address = re.sub(r"^((?:git\+)?https?://)[^/?#]*@", r"\1", answers["_template"], flags=re.I)
if address != answers["_template"]:
    settings = Path("pyproject.toml")
    written = settings.read_bytes().replace(answers["_template"].encode(), address.encode())
    settings.write_bytes(written)
    print(
        f"\npyproject.toml is committed, so it names the template as {address}: the name or token that you gave is\n"
        "left out. How Git logs in without it when you run `make upgrade`: git help credentials"
    )

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
