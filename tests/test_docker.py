"""The image's files: sound by a linter, and naming only what there is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from adapters.doors.cli.app import app
from adapters.host.settings import Settings, read_settings
from tests.dockerfile import ROOT, instructions

BIN = Path(sys.executable).parent


def parse(arguments: list[str]) -> str:
    """The subcommand that the command line takes ``arguments`` for. Raises where it would refuse them."""
    command: Any = get_command(app)
    context = command.make_context("dagfusion", list(arguments), resilient_parsing=True)
    name, subcommand, rest = command.resolve_command(context, list(arguments))
    subcommand.make_context(name, rest, parent=context)
    return str(name)


def variables() -> set[str]:
    """The environment variables that settings are read from."""
    return {str(field.validation_alias or f"DAGFUSION_{name.upper()}") for name, field in Settings.model_fields.items()}


class _ComposeLoader(yaml.SafeLoader):
    """YAML with Compose's own tags."""


_ComposeLoader.add_constructor("!reset", lambda loader, node: None)


def compose(name: str = "compose.yaml") -> dict[str, Any]:
    return yaml.load((ROOT / name).read_text(), _ComposeLoader)  # type: ignore[no-any-return]


def test_hadolint_has_nothing_to_say() -> None:
    done = subprocess.run([BIN / "hadolint", "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_targets() -> None:
    stages = [rest.rpartition(" AS ")[2] for word, rest in instructions() if word == "FROM"]
    assert stages[-1] == "cuda"  # what is built by default
    for target in ("cpu", "cuda"):
        inside = instructions(target)
        assert inside[0][1].startswith("service AS ")
        assert ("USER", "10001:10001") in inside
        assert ("COPY", f"--from=environment-{target} /opt/dagfusion /opt/dagfusion") in inside
        # Nothing of the sources: all that is copied comes from other stages.
        assert all(rest.startswith("--from=") for word, rest in inside if word == "COPY")


def test_the_service_is_started_watched_and_labelled(monkeypatch: pytest.MonkeyPatch) -> None:
    service = dict(instructions("service"))
    assert json.loads(service["ENTRYPOINT"]) == ["dagfusion"]
    assert parse(json.loads(service["CMD"])) == "serve"
    assert "/health" in service["HEALTHCHECK"]
    assert f"os.getenv('PORT') or {service['EXPOSE']}" in service["HEALTHCHECK"]  # also where a platform says the port
    for name in ("DAGFUSION_PORT", "PORT"):
        monkeypatch.delenv(name, raising=False)
    assert int(service["EXPOSE"]) == read_settings({}).port
    for label in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{label}=" in service["LABEL"]


def test_all_that_outlives_a_start_is_on_the_volume(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("DAGFUSION_", "XDG_")):
            monkeypatch.delenv(name)
    for name, value in (part.split("=", 1) for part in dict(instructions("service"))["ENV"].split()):
        if name != "PATH":
            monkeypatch.setenv(name, value)
    settings = read_settings({})
    kept = ("data", "input", "output", "temp", "fingerprints", "disk_cache", "compiled")
    assert [name for name in kept if not getattr(settings, name).is_relative_to("/data")] == []
    assert settings.database == "sqlite:////data/queue.sqlite" and settings.blob_url == "/data/blobs"


def test_environment_variables_are_settings() -> None:
    named = set(re.findall(r"\b(?:DAGFUSION|HF|CIVITAI)_[A-Z_]+", (ROOT / "Dockerfile").read_text()))
    assert {"DAGFUSION_MODELS", "HF_TOKEN", "CIVITAI_TOKEN"} <= named
    for service in compose()["services"].values():
        named |= {name for name in service.get("environment", {}) if name.startswith("DAGFUSION_")}
    assert {"DAGFUSION_DATABASE_URL", "DAGFUSION_BLOBS", "DAGFUSION_API_KEYS"} <= named
    assert named <= variables()


def test_compose_runs_postgresql_the_web_process_and_two_workers() -> None:
    services = compose()["services"]
    assert set(services) == {"database", "web", "worker"}
    assert services["worker"]["deploy"]["replicas"] == 2
    assert parse(services["web"]["command"]) == "serve"
    assert "--no-worker" in services["web"]["command"]
    assert parse(services["worker"]["command"]) == "worker"
    shared = ("DAGFUSION_DATABASE_URL", "DAGFUSION_BLOBS")
    web, worker = (services[name]["environment"] for name in ("web", "worker"))
    assert [web[name] for name in shared] == [worker[name] for name in shared]
    assert "DAGFUSION_API_KEYS" in web
    for name in ("web", "worker"):
        assert services[name]["depends_on"] == {"database": {"condition": "service_healthy"}}
        assert services[name]["build"]["target"] in {"cpu", "cuda"}
        volumes = {volume.partition(":")[0] for volume in services[name]["volumes"]}
        assert volumes <= set(compose()["volumes"])
    # No password is written down: they have to be given.
    assert services["database"]["environment"]["POSTGRES_PASSWORD"].startswith("${POSTGRES_PASSWORD:?")
    assert web["DAGFUSION_API_KEYS"].startswith("${DAGFUSION_API_KEYS:?")


def test_compose_for_machines_without_a_gpu_changes_what_there_is() -> None:
    without = compose("compose.cpu.yaml")["services"]
    assert set(without) <= set(compose()["services"])
    assert {service["build"]["target"] for service in without.values()} == {"cpu"}
    assert without["worker"]["deploy"]["resources"]["reservations"]["devices"] is None


def test_what_is_copied_is_there_and_let_through() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored  # all that is not named, secrets among them, stays outside
    for _, rest in (line for line in instructions() if line[0] == "COPY" and not line[1].startswith("--from=")):
        for source in rest.split()[:-1]:
            assert (ROOT / source).exists()
            assert f"!{source}" in ignored


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml", "compose.cpu.yaml", "requirements.lock"])
def test_no_address_of_a_package_index_is_written_down(name: str) -> None:
    assert not re.search(
        r"index-url|find-links|UV_INDEX|PIP_INDEX|https?://(?!127\.0\.0\.1)", (ROOT / name).read_text()
    )


def test_tokens_are_build_secrets() -> None:
    words = "\n".join(f"{word} {rest}" for word, rest in instructions())
    assert not re.search(r"^(ARG|ENV) .*(TOKEN|KEY|PASSWORD|SECRET)", words, flags=re.MULTILINE)
    assert "--mount=type=secret,id=hf_token,env=HF_TOKEN" in words
