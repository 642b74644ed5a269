"""`host`: the two systemd units that keep a serving host running: the service, and the agent that follows Git."""

from __future__ import annotations

import argparse
import os
import pwd
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from gitops_model.delivery import deploy, service
from gitops_model.errors import BadInput
from gitops_model.files import write_atomic
from gitops_model.formats.contract import Contract

FOLDER = Path("build/host")
# What a process needs to end in order, on top of what serving.yaml grants it: closing files, a last fetch.
GRACE_SECONDS = 10
FETCH_SECONDS = 60
# A service of one process would end by it.
RELOAD = """\
# Replaces the workers one by one; they read serving.yaml anew.
ExecReload=/bin/kill -HUP $MAINPID
"""
# systemd's words for "no more than an ordinary program needs". MemoryDenyWriteExecute is left out: native libraries
# (libffi, ONNX Runtime) may ask for such memory, and would fail at the first request rather than at the start.
SANDBOX = """\
NoNewPrivileges=yes
CapabilityBoundingSet=
RestrictSUIDSGID=yes
UMask=0027
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `host`."""
    parser.add_argument(
        "--out", type=Path, default=FOLDER, help="where to write the units (default: %(default)s)"
    )


@dataclass(frozen=True, kw_only=True)
class Options:
    """`out`: the folder to write the units into."""

    out: Path = FOLDER


@dataclass(frozen=True, kw_only=True)
class Host:
    """Where and as whom things run. All paths are absolute; `seconds` are what each of the two may take to stop."""

    task: str
    account: str
    root: Path
    command: Path
    store: Path
    log: Path | None
    service_seconds: float
    agent_seconds: float
    workers: int = 1

    @property
    def agent(self) -> str:
        return f"{self.task}-agent"


def run(options: Options) -> int:
    """Write the units and say how to install them. Raises BadInput with every problem."""
    host = look(Path.cwd())
    _make_folders(host)
    out = options.out.absolute()
    for name, text in units(host).items():
        write_atomic(out / name, text)
        print(f"written: {options.out / name}")
    print("\n".join(install(host, out)))
    return 0


def look(root: Path) -> Host:
    """The host that the repository at `root` describes. Raises BadInput with every problem."""
    settings = service.settings(root)
    if settings.get("engine", "local") != "local":
        raise BadInput(
            f"serving.yaml has engine: {settings['engine']}, and no unit for that is made: the usual one keeps the "
            "service from the sockets in /tmp by which it speaks with its node. Write one of your own that runs "
            "`gitops-model serve` (docs/ray.md of the template); the agent's, `gitops-model deploy --watch`."
        )
    task = Contract.load(root / "contract.yaml").task
    log = settings.get("log") or {}
    folder = Path(log.get("folder", "logs/predictions"))
    grace = settings.get("shutdown_seconds", 10.0)
    confirming = (settings.get("deploy") or {}).get("confirm_seconds", deploy.CONFIRM_SECONDS)
    host = Host(
        task=task,
        account=_owner(root),
        root=root,
        # Not resolved: the link in the environment is what makes it that environment.
        command=Path(sys.executable).parent / "gitops-model",
        store=root / settings.get("store", "store"),
        log=root / folder if log.get("predictions", False) else None,
        service_seconds=grace + GRACE_SECONDS,
        workers=settings.get("workers", 1),
        agent_seconds=confirming + FETCH_SECONDS,
    )
    _require_plain(host)
    return host


def units(host: Host) -> dict[str, str]:
    """File name → text of both units."""
    log = () if host.log is None else (host.log,)
    serving = _unit(
        host,
        description=f"{host.task}: answers requests (gitops-model serve)",
        words="serve",
        # The store, too: what the service finds out about a release is remembered beside the pointer.
        writes=(host.store, *log),
        seconds=host.service_seconds,
        more=(RELOAD if host.workers > 1 else "") + "LimitNOFILE=65536\n",
    )
    following = _unit(
        host,
        description=f"{host.task}: brings what main says into the store (gitops-model deploy --watch)",
        words="deploy --watch",
        # git fetch writes into .git, DVC keeps its notes in .dvc, and days of the log that are over are closed.
        writes=(host.store, host.root / ".git", host.root / ".dvc", *log),
        seconds=host.agent_seconds,
        # Only the agent needs keys; root reads this file, and nobody else has to.
        more=f"EnvironmentFile=-/etc/{host.agent}.env\n",
        after=f" {host.task}.service",
    )
    return {f"{host.task}.service": serving, f"{host.agent}.service": following}


def install(host: Host, out: Path) -> list[str]:
    """What to say after the units are written: how they are installed, and where to look."""
    names = list(units(host))
    files = " ".join(shlex.quote(str(out / name)) for name in names)
    return [
        f"Both run as {host.account}, who owns this clone. Install and start them:",
        f"  sudo install -m 644 {files} /etc/systemd/system/",
        "  sudo systemctl daemon-reload",
        f"  sudo systemctl enable --now {' '.join(names)}",
        f"Then: systemctl status {' '.join(names)}; journalctl -f -u {host.task} -u {host.agent}",
    ]


def _unit(
    host: Host,
    *,
    description: str,
    words: str,
    writes: tuple[Path, ...],
    seconds: float,
    more: str,
    after: str = "",
) -> str:
    return f"""\
# Written by `make host`; write it again rather than edit it. Your own settings: systemctl edit <unit>.
[Unit]
Description={description}
Wants=network-online.target
After=network-online.target{after}
# It is started again for ever: a fault that passes must not leave the host silent.
StartLimitIntervalSec=0

[Service]
Type=exec
User={host.account}
WorkingDirectory={_percent(host.root)}
ExecStart={_quoted(host.command)} {words}
Restart=always
RestartSec=2
# The main process alone is asked to end; it ends what it started.
KillMode=mixed
TimeoutStopSec={seconds:g}
Environment=PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
{more}
# Nothing may be written but this.
ReadWritePaths={" ".join(_quoted(path) for path in writes)}
{SANDBOX}
[Install]
WantedBy=multi-user.target
"""


def _owner(root: Path) -> str:
    """The account that owns the clone: git refuses to work for anybody else."""
    found = root.stat().st_uid
    if found == 0:
        raise BadInput(
            f"{root} belongs to root, and the service never runs as root. Give the clone an account of its own: "
            f"sudo useradd --system --create-home model; sudo chown -R model: {shlex.quote(str(root))}; "
            "then run this again."
        )
    try:
        return pwd.getpwuid(found).pw_name
    except KeyError:
        return str(found)


def _require_plain(host: Host) -> None:
    """A line break would begin another setting, and systemd takes no program with a quote or backslash in its path.

    Raises BadInput with every problem.
    """
    paths = [host.root, host.command, host.store, *([] if host.log is None else [host.log])]
    problems = [
        f"{str(path)!r} has a line break, quote or backslash, which a unit cannot hold; move the clone or the folder."
        for path in paths
        if not str(path).isprintable() or set(str(path)) & set("\"'\\")
    ]
    if not host.command.is_file():
        problems.append(f"{host.command} is not here; run `make setup`, then `make host`.")
    if problems:
        raise BadInput(problems)


def _make_folders(host: Host) -> None:
    """systemd opens folders for writing before the service starts; those that are missing would stop it."""
    status = host.root.stat()
    for folder in (host.store, host.root / ".dvc", *(() if host.log is None else (host.log,))):
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            for path in missing:
                os.chown(path, status.st_uid, status.st_gid)


def _percent(path: Path) -> str:
    return str(path).replace("%", "%%")


def _quoted(path: Path) -> str:
    return f'"{_percent(path)}"' if " " in str(path) else _percent(path)
