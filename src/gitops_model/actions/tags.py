"""Create a release's tag through GitHub's API.

A push of a tag by a workflow's token is refused when the workflow files of its commit are those of no branch any more:
main moved on while the release was built. Through the API the same tag is reported to be taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from gitops_model.actions.client import Refused, Repository
from gitops_model.delivery.git import Git

REMEDY = (
    "The workflow files of this commit are not those of main any more, and GitHub lets no workflow tag it. Release "
    "what main holds now: gh workflow run release.yml --ref main (the next push to main does the same)"
)


@dataclass(frozen=True)
class Creator:
    """Makes `ref` name a tag like the local object `target`. Returns the object that GitHub made, and "" or why not."""

    git: Git
    repository: Repository

    def __call__(self, ref: str, target: str) -> tuple[str, str]:
        header, _, message = self.git.out("cat-file", "tag", target).partition("\n\n")
        fields = dict(line.split(" ", 1) for line in header.splitlines())
        who, _, when = fields["tagger"].rpartition("> ")
        name, _, address = who.partition(" <")
        at = datetime.fromtimestamp(int(when.split()[0]), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        request = {
            "tag": fields["tag"],
            "message": f"{message}\n",
            "object": fields["object"],
            "type": "commit",
            "tagger": {"name": name, "email": address, "date": at},
        }
        try:
            made = str(self.repository.send("POST", "/git/tags", request)["sha"])
            if made != target and self.git.is_signed(target):
                # A signature is good for the very bytes that were signed.
                return target, self.git.push(f"{target}:{ref}")
            self.repository.send("POST", "/git/refs", {"ref": ref, "sha": made})
        except Refused as error:
            if error.status == 422 and "already exists" in error.reason:
                return made, error.reason
            stale = "workflow" in error.reason
            return target, f"{error}{' ' + REMEDY if stale else ''}".rstrip(".")
        return made, ""
