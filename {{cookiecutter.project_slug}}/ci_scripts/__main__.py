"""Entry point of the commands. Errors are translated to a sentence and an exit code here, and nowhere else."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from modelops.errors import ExternalFailure, ModelOpsError, os_words

# One module a command, imported only when it runs: each has HELP, add_arguments(parser) and run(args) -> exit code.
COMMANDS = (
    "check",
    "release",
    "ship",
    "deploy",
    "rollback",
    "status",
    "publish",
    "monitor",
    "doctor",
    "github_check",
    "github_build",
    "github_release",
    "github_deploy",
    "github_revert",
    "github_rollback",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit code; see modelops/errors.py for what each code means."""
    words = list(sys.argv[1:] if argv is None else argv)
    name = words[0] if words else "--help"
    if name not in COMMANDS:
        return _overview(name)
    module = importlib.import_module(f"ci_scripts.{name}")
    parser = argparse.ArgumentParser(prog=f"python -m ci_scripts {name}", description=module.HELP)
    module.add_arguments(parser)
    try:
        code: int = module.run(parser.parse_args(words[1:]))
        return code
    except ModelOpsError as error:
        for line in str(error).splitlines():
            print(f"{name}: {line}", file=sys.stderr)
        for note in getattr(error, "__notes__", ()):
            print(f"{name}: {note}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"{name}: {os_words(error)}", file=sys.stderr)
        return ExternalFailure.exit_code
    except KeyboardInterrupt:
        print(f"{name}: interrupted; running it again completes it.", file=sys.stderr)
        return 130


def _overview(name: str) -> int:
    asked = name in ("-h", "--help", "help")
    out = sys.stdout if asked else sys.stderr
    if not asked:
        print(f"'{name}' is not a command; allowed: {', '.join(COMMANDS)}.", file=out)
    print("usage: python -m ci_scripts <command> [--help]\n", file=out)
    for command in COMMANDS:
        print(f"  {command:<10} {importlib.import_module(f'ci_scripts.{command}').HELP}", file=out)
    return 0 if asked else 2


if __name__ == "__main__":
    sys.exit(main())
