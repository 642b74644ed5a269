"""Refuses bad answers before a file is written: the value, the rule and an example, all bad ones at once."""

import json
import re
import sys

WORDS = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
TAIL = r"(/[\w.~+=@%-]+)*/?"

RULES = {
    "project_name": (
        r"[A-Za-z0-9]([A-Za-z0-9 ._-]{0,58}[A-Za-z0-9])?",
        "at most 60 letters, digits, spaces, dots, hyphens and underscores",
        "Flight Delay",
    ),
    "project_slug": (
        r"(?=.{1,60}$)" + WORDS,
        "at most 60 characters: lower-case words and digits joined by one hyphen",
        "flight-delay",
    ),
    "task": (
        r"(?=.{1,40}$)(?!.*-v\d+$)" + WORDS,
        "at most 40 characters: lower-case words joined by one hyphen, not ending like a release (-v1)",
        "flight-delay",
    ),
    "owner": (
        r"[A-Za-z0-9](-?[A-Za-z0-9]){0,38}(/[A-Za-z0-9]([._-]?[A-Za-z0-9]){0,99})?",
        "a GitHub user, or organisation/team, without @",
        "acme/forecasting",
    ),
}
ADDRESSES = {
    "none": ("", "empty, because dvc_remote is none", "leave it empty"),
    "s3": (r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]" + TAIL, "s3://bucket/folder", "s3://acme/dvc"),
    "gs": (r"gs://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]" + TAIL, "gs://bucket/folder", "gs://acme/dvc"),
    "azure": (r"azure://[a-z0-9][a-z0-9-]+" + TAIL, "azure://container/folder", "azure://data/dvc"),
    "ssh": (
        r"ssh://([\w.-]+@)?[A-Za-z0-9][A-Za-z0-9.-]*(:\d{1,5})?(/[\w.~+=%-]+)+/?",
        "ssh://user@host/folder, without a password",
        "ssh://dvc@storage.acme.example/srv/dvc",
    ),
    "local": (
        r"(\.\.)?(/[\w.~+=@-]+)+/?",
        "an absolute folder, or one outside the repository (../folder), without spaces",
        "../dvc-storage",
    ),
}

answers = json.loads(r"""{{ cookiecutter | tojson }}""")
rules = {**RULES, "remote_url": ADDRESSES[answers["dvc_remote"]]}
bad = {
    name: rule for name, rule in rules.items() if not re.fullmatch(rule[0], answers[name], re.ASCII)
}
for name, (_, allowed, example) in bad.items():
    print(f"{name} is '{answers[name]}'; allowed: {allowed}. Example: {example}", file=sys.stderr)
sys.exit(1 if bad else 0)
