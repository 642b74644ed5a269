"""`host`: two units that systemd accepts, that never run as root, and that may write where they must."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gitops_model import strict_yaml
from gitops_model.delivery import host, programs
from gitops_model.errors import BadInput
from tests.support.factories import contract_dict
from tests.support.places import TEMPLATE

GOLDEN = Path(__file__).parent / "units"
NAMES = ("flight-delay.service", "flight-delay-agent.service")
# An account that every Unix has, and that is not the one the tests run as when they run as root.
SOMEBODY = 1
PLAIN = host.Host(
    task="flight-delay",
    account="model",
    root=Path("/srv/flight-delay"),
    command=Path("/srv/flight-delay/.venv/bin/gitops-model"),
    store=Path("/srv/flight-delay/store"),
    log=Path("/srv/flight-delay/logs/predictions"),
    service_seconds=20,
    agent_seconds=90,
)
HARDENED = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "ProtectSystem": "strict",
    "ProtectHome": "read-only",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "RestrictNamespaces": "yes",
    "RestrictSUIDSGID": "yes",
    "SystemCallFilter": "@system-service",
    "Restart": "always",
    "StartLimitIntervalSec": "0",
    "User": "model",
}
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="systemd is not installed: apt-get install systemd",
)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What `host` needs of a clone; it belongs to somebody who is not root."""
    folder = tmp_path / "clone"
    (folder / ".git").mkdir(parents=True)
    (folder / "contract.yaml").write_text(strict_yaml.dump(contract_dict()))
    shutil.copy(TEMPLATE / "serving.yaml", folder)
    if os.geteuid() == 0:
        os.chown(folder, SOMEBODY, SOMEBODY)
    return folder


def settings(text: str) -> dict[str, str]:
    """Key → value of a unit; a key that stands twice is an error."""
    lines = [line for line in text.splitlines() if line and line[0] not in "#["]
    found = dict(line.split("=", 1) for line in lines)
    assert len(found) == len(lines)
    return found


def verify(folder: Path, units: dict[str, str]) -> str:
    """What `systemd-analyze verify` has to say."""
    folder.mkdir(exist_ok=True)
    for name, text in units.items():
        (folder / name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", *(str(folder / name) for name in units)],
        capture_output=True,
        text=True,
    )
    said = done.stdout + done.stderr
    # A machine may have broken units of its own; those are not ours to judge.
    ours = [line for line in said.splitlines() if "flight-delay" in line or str(folder) in line]
    assert done.returncode == 0 or ours, said
    return "\n".join(ours)


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(stat.S_IRWXU)
    return path


def existing(tmp_path: Path, root: Path) -> host.Host:
    """A host whose account and program are there, which `verify` looks for."""
    return replace(
        PLAIN,
        account="daemon",
        root=root,
        command=program(root / ".venv/bin/gitops-model"),
        store=root / "store",
        log=root / "logs",
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_units_are_those_that_people_have_read(name: str) -> None:
    assert host.units(PLAIN)[name] == (GOLDEN / name).read_text()


@pytest.mark.parametrize("name", NAMES)
def test_a_unit_is_hardened(name: str) -> None:
    found = settings(host.units(PLAIN)[name])
    assert {key: found.get(key) for key in HARDENED} == HARDENED


def test_each_may_write_where_it_must_and_nowhere_else() -> None:
    service, agent = (settings(host.units(PLAIN)[name]) for name in NAMES)
    root = "/srv/flight-delay"
    assert service["ReadWritePaths"] == f"{root}/store {root}/logs/predictions"
    assert (
        agent["ReadWritePaths"] == f"{root}/store {root}/.git {root}/.dvc {root}/logs/predictions"
    )
    assert "EnvironmentFile" not in service, "the service needs no key"
    assert agent["EnvironmentFile"] == "-/etc/flight-delay-agent.env"
    assert "ExecReload" not in service, "one process would end by it"
    several = settings(host.units(replace(PLAIN, workers=2))[NAMES[0]])
    assert several["ExecReload"] == "/bin/kill -HUP $MAINPID"
    service, agent = (settings(host.units(replace(PLAIN, log=None))[name]) for name in NAMES)
    assert service["ReadWritePaths"] == f"{root}/store"
    assert agent["ReadWritePaths"] == f"{root}/store {root}/.git {root}/.dvc"


@needs_systemd
@pytest.mark.parametrize("folder", ["plain", "a %m $x; dir"])
def test_systemd_accepts_them(tmp_path: Path, folder: str) -> None:
    there = existing(tmp_path, tmp_path / folder)
    assert verify(tmp_path / "units", host.units(there)) == ""
    assert verify(tmp_path / "several", host.units(replace(there, workers=2))) == ""


@needs_systemd
def test_systemd_would_have_complained(tmp_path: Path) -> None:
    units = host.units(existing(tmp_path, tmp_path / "clone"))
    broken = {name: text.replace("ProtectSystem", "ProtectSistem") for name, text in units.items()}
    assert "ProtectSistem" in verify(tmp_path / "units", broken)
    gone = {name: re.sub("ExecStart=.*", "ExecStart=/no", text) for name, text in units.items()}
    assert "/no is not executable" in verify(tmp_path / "units", gone)


@needs_systemd
def test_systemd_counts_little_that_is_left_open(tmp_path: Path) -> None:
    units = host.units(existing(tmp_path, tmp_path / "clone"))
    verify(tmp_path / "units", units)
    for name in units:
        done = subprocess.run(
            # Twenty is 2.0 of 10; a service without any of these lines is told 9.6.
            *(["systemd-analyze", "security", "--offline=true", "--threshold=20", name],),
            cwd=tmp_path / "units",
            env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path / 'units'}:"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0 and "OK" in done.stdout, done.stdout + done.stderr


def test_the_command_writes_units_and_says_how_to_install_them(clone: Path) -> None:
    done = subprocess.run(
        [*programs.gitops_model(), "host"], cwd=clone, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    out = clone / "build/host"
    assert {path.name for path in out.iterdir()} == set(NAMES)
    files = " ".join(str(out / name) for name in NAMES)
    assert done.stdout.splitlines()[-4:-1] == [
        f"  sudo install -m 644 {files} /etc/systemd/system/",
        "  sudo systemctl daemon-reload",
        f"  sudo systemctl enable --now {' '.join(NAMES)}",
    ]
    service = settings((out / NAMES[0]).read_text())
    assert service["User"] != "root"
    command = Path(sys.executable).parent / "gitops-model"
    assert service["ExecStart"] == f"{command} serve"
    # What systemd opens for writing has to be there, and belong to whom it runs as.
    for path in service["ReadWritePaths"].split():
        assert Path(path).stat().st_uid == clone.stat().st_uid


def test_settings_decide_where_and_how_long(clone: Path) -> None:
    text = (clone / "serving.yaml").read_text()
    text = text.replace("store: store", "store: /var/lib/flights").replace(
        "predictions: true", "predictions: false"
    )
    text = text.replace("shutdown_seconds: 10", "shutdown_seconds: 50").replace(
        "confirm_seconds: 90", "confirm_seconds: 300"
    )
    (clone / "serving.yaml").write_text(text)
    found = host.look(clone)
    assert (found.store, found.log) == (Path("/var/lib/flights"), None)
    assert (found.service_seconds, found.agent_seconds) == (60, 360)


def test_no_unit_is_made_for_what_it_would_cut_off(clone: Path) -> None:
    with (clone / "serving.yaml").open("a") as settings:
        settings.write("engine: ray\nray: {address: '127.0.0.1:6379'}\n")
    with pytest.raises(BadInput, match=r"has engine: ray, and no unit for that is made"):
        host.look(clone)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can own a folder as root")
def test_root_is_refused(clone: Path) -> None:
    os.chown(clone, 0, 0)
    with pytest.raises(BadInput, match=r"never runs as root.*useradd.*chown -R model:"):
        host.look(clone)


@pytest.mark.parametrize("name", ["a\nUser=root", 'a"b', "a'b", "a\\b"])
def test_a_path_that_a_unit_cannot_hold_is_refused(
    clone: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    odd = clone.rename(clone.with_name(name))
    monkeypatch.setattr(sys, "executable", "/nowhere/bin/python")
    with pytest.raises(BadInput) as caught:
        host.look(odd)
    assert len(caught.value.problems) == 4
    assert "has a line break, quote or backslash" in caught.value.problems[0]
    assert "/nowhere/bin/gitops-model is not here; run `make setup`" in caught.value.problems[3]
