"""Dockerfile and compose.yaml: what can be known without a container engine. test_images.py runs their commands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from gitops_model.delivery.deploy import CONFIRM_SECONDS
from tests.support.dockerfile import stages
from tests.support.places import TEMPLATE
from tests.support.promql import needs_prometheus

COMPOSE: dict[str, Any] = yaml.safe_load((TEMPLATE / "compose.yaml").read_text())
PINNED = re.compile(r"[\w./-]+:[\w.-]*\d+\.\d+\.\d+[\w.-]*@sha256:[0-9a-f]{64}")
OURS = ("service", "agent")
Baked = Callable[[dict[str, str]], Path]


def program(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    path = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert path, f"{name} is not installed"
    return subprocess.run([path, *words], cwd=TEMPLATE, capture_output=True, text=True)


@pytest.mark.parametrize(
    "command",
    [
        ("hadolint", "Dockerfile"),
        ("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"),
    ],
    ids=lambda command: command[0],
)
def test_linters_have_nothing_to_say(command: tuple[str, ...]) -> None:
    done = program(*command)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_image_is_pinned_by_version_and_bytes() -> None:
    images = [service["image"] for service in COMPOSE["services"].values() if "image" in service]
    bases = [stage.base for name, stage in stages().items() if stage.base not in stages()]
    assert len(images) == 2 and len(bases) == 1
    for image in (*images, *bases):
        assert PINNED.fullmatch(image), image


def test_nobody_is_root_and_nothing_is_left_open() -> None:
    assert list(COMPOSE["services"]) == ["service", "agent", "prometheus", "grafana"]
    for name, service in COMPOSE["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["restart"] == "unless-stopped", name
        assert service["logging"]["options"]["max-size"], name
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), name
    for name in OURS:
        assert COMPOSE["services"][name]["read_only"] is True
        assert int(stages()[name].last("USER").text) >= 1000
        assert stages()[name].instructions[-1].name == "CMD"
    # Compose waits for a process to end as long as it may take by serving.yaml.
    settings = yaml.safe_load((TEMPLATE / "serving.yaml").read_text())
    grace = {name: int(COMPOSE["services"][name]["stop_grace_period"][:-1]) for name in OURS}
    assert grace["service"] > settings["shutdown_seconds"]
    assert grace["agent"] > settings["deploy"]["confirm_seconds"]
    # Else a release that loads slowly is put back before the service has judged it.
    assert settings["deploy"]["confirm_seconds"] > settings["load"]["seconds"]
    assert settings["deploy"]["confirm_seconds"] == CONFIRM_SECONDS


def test_the_service_is_built_from_the_serving_lock_alone() -> None:
    text = " ".join(f"{one.name} {one.text}" for one in stages()["service"].instructions)
    assert "requirements-serving.txt" in text and "--require-hashes" in text
    assert "requirements.txt" not in text and "apt-get" not in text and "make" not in text
    locked = (TEMPLATE / "requirements-serving.txt").read_text()
    for name in ("scikit-learn", "pandas", "scipy", "dvc"):
        assert f"\n{name}==" not in locked


def test_what_is_copied_and_mounted_is_there(baked: Baked) -> None:
    repository = baked({})
    for stage in stages().values():
        for text in stage.all("COPY"):
            *sources, _ = text.split()
            assert sources
            for source in sources:
                # A whole repository would bring data, secrets and history into an image.
                assert source != "." and list(repository.glob(source)), source
    volumes: set[str] = set()
    for service in COMPOSE["services"].values():
        for mount in service["volumes"]:
            source = mount.split(":")[0]
            if source.startswith("./"):
                assert (repository / source).exists() and mount.endswith(":ro"), mount
            else:
                volumes.add(source)
        for config in service.get("configs", ()):
            assert config["source"] in COMPOSE["configs"]
    assert volumes == set(COMPOSE["volumes"])
    for name in OURS:
        assert COMPOSE["services"][name]["build"]["target"] == name
        assert name in stages()
        # The folders that volumes take their owner from.
        made = stages()["base"].all("RUN")[0]
        for mount in COMPOSE["services"][name]["volumes"]:
            assert mount.split(":")[1] in made
    assert ".env" in (repository / ".gitignore").read_text().splitlines()


@needs_prometheus
def test_prometheus_finds_everything_where_compose_puts_it(tmp_path: Path) -> None:
    prometheus = COMPOSE["services"]["prometheus"]
    shutil.copytree(TEMPLATE / "monitoring", tmp_path / "etc/monitoring")
    (config,) = prometheus["configs"]
    target = tmp_path / config["target"].lstrip("/")
    target.parent.mkdir()
    target.write_text(COMPOSE["configs"]["targets"]["content"])
    (path,) = [w.partition("=")[2] for w in prometheus["command"] if "config.file" in w]
    done = subprocess.run(
        ["promtool", "check", "config", str(tmp_path / path.lstrip("/"))],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 rule files found" in done.stdout
    scraped = yaml.safe_load((tmp_path / path.lstrip("/")).read_text())["scrape_configs"][0]
    (pattern,) = scraped["file_sd_configs"][0]["files"]
    assert (tmp_path / path.lstrip("/")).parent.joinpath(pattern).resolve() == target
    assert '"service:8080"' in target.read_text()


def test_grafana_gets_its_data_source_and_the_dashboard() -> None:
    (source,) = yaml.safe_load(COMPOSE["configs"]["datasources"]["content"])["datasources"]
    assert source["url"] == "http://prometheus:9090" and source["isDefault"] is True
    (provider,) = yaml.safe_load(COMPOSE["configs"]["dashboards"]["content"])["providers"]
    mount = COMPOSE["services"]["grafana"]["volumes"][0].split(":")
    assert provider["options"]["path"] == mount[1]
    assert (TEMPLATE / mount[0] / "dashboard.json").exists()


def test_the_page_about_serving_names_what_is_there() -> None:
    text = (TEMPLATE / "docs/SERVING.md").read_text()
    assert len(text.splitlines()) <= 120
    makefile = (TEMPLATE / "Makefile").read_text()
    named = re.findall(r"(?:^|`|&& )make ([a-z-]+)", text, re.MULTILINE)
    assert {"host", "observe", "monitor"} <= set(named)
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for name in re.findall(r"logs -f (\w+) (\w+)`", text)[0]:
        assert name in COMPOSE["services"]
    assert "docker compose cp service:/srv/logs ." in text
    assert any(v.endswith(":/srv/logs") for v in COMPOSE["services"]["service"]["volumes"])
    for variable in re.findall(r"\$\{(\w+)", (TEMPLATE / "compose.yaml").read_text()):
        assert f"{variable}=" in text, variable
    for unit in ("flight-delay", "flight-delay-agent"):
        assert f"-u {unit}" in text
    assert "/etc/flight-delay-agent.env" in text
    table = {row.split("|")[1].strip(): row for row in text.splitlines() if row.startswith("| ")}
    assert set(OURS) <= set(table), "what is in which image"
