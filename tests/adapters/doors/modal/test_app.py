"""The app as the real SDK deploys it: `modal deploy` as a process, against a control plane of the test's own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapters.doors.modal.image import PROJECT, install_commands
from adapters.host.settings import environment_passed_on
from tests.adapters.doors.modal.modal_server import ControlPlane, control_plane

DAY_S = 86_400


def deploy(plane: ControlPlane, environment: dict[str, str], home: Path, **settings: str) -> str:
    more = {
        "HOME": str(home),
        "MODAL_SERVER_URL": plane.url,
        "MODAL_TOKEN_ID": "ak-test",
        "MODAL_TOKEN_SECRET": "as-test",
        **settings,
    }
    command = [Path(sys.executable).parent / "modal", "deploy", "-m", "adapters.modal_app"]
    done = subprocess.run(command, env=environment | more, cwd=PROJECT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def deployed(offline_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Any:
    with control_plane() as plane:
        deploy(plane, offline_environment, tmp_path_factory.mktemp("home"))
        yield plane


def mounts(function: Any) -> dict[str, bool]:
    """Where volumes are, and whether they can only be read."""
    return {mount.mount_path: mount.read_only for mount in function.volume_mounts}


def test_the_gpu_class_has_one_gpu_five_jobs_a_snapshot_and_limits(deployed: ControlPlane) -> None:
    gpu = deployed.functions()["Gpu.*"]
    assert (gpu.resources.gpu_config.gpu_type, gpu.resources.gpu_config.count) == ("L40S", 1)
    assert (gpu.max_concurrent_inputs, gpu.checkpointing_enabled) == (5, True)
    assert (gpu.timeout_secs, gpu.startup_timeout_secs) == (3900, 900)
    scaling = gpu.autoscaler_settings
    assert (scaling.min_containers, scaling.max_containers, scaling.scaledown_window) == (0, 4, 300)
    assert mounts(gpu) == {"/models": True, "/jobs": False}
    assert not gpu.experimental_options
    assert "GENERATOR" in str(gpu.method_definitions["run"])
    assert (gpu.resources.milli_cpu, gpu.resources.memory_mb) == (4000, 32768)


def test_the_api_has_no_gpu_and_one_container(deployed: ControlPlane) -> None:
    api = deployed.functions()["api"]
    assert not api.resources.gpu_config.gpu_type
    assert (api.autoscaler_settings.min_containers, api.autoscaler_settings.max_containers) == (1, 1)
    assert (api.max_concurrent_inputs, api.timeout_secs) == (1000, DAY_S)
    assert "ASGI_APP" in str(api.webhook_config)
    assert mounts(api)["/jobs"] is False


def test_the_other_functions(deployed: ControlPlane) -> None:
    functions = deployed.functions()
    assert set(functions) == {"Gpu.*", "api", "clean_up", "fetch_models", "examine", "build_sageattention"}
    assert functions["clean_up"].schedule.cron.cron_string == "0 4 * * *"
    assert not functions["clean_up"].resources.gpu_config.gpu_type
    assert mounts(functions["fetch_models"]) == {"/models": False}
    assert mounts(functions["build_sageattention"]) == {"/models": False}
    for name in ("examine", "build_sageattention"):
        assert functions[name].resources.gpu_config.gpu_type == "L40S"
    assert set(deployed.volume_names()) == {"dagfusion-models", "dagfusion-jobs"}


def test_the_image_is_made_from_the_lock_and_names_no_index(deployed: ControlPlane) -> None:
    lines = deployed.image_lines()
    assert [line for line in lines if "--constraint /source/requirements.lock --requirements" in line]
    assert [line for line in lines if "--no-deps --no-build-isolation" in line and line.endswith("/source")]
    assert not [line for line in lines if re.search(r"index-url|find-links|https?://", line)]
    assert "--extra postgres --extra s3" in install_commands(["postgres", "s3"])[1]


def test_a_deployment_can_choose_otherwise(offline_environment: dict[str, str], tmp_path: Path) -> None:
    manifest = tmp_path / "own.yaml"
    manifest.write_text("models: []\n")
    with control_plane() as plane:
        deploy(
            plane,
            offline_environment,
            tmp_path,
            DAGFUSION_MODAL_APP="mine",
            DAGFUSION_MODAL_GPU="H100,L40S",
            DAGFUSION_MODAL_CONCURRENCY="2",
            DAGFUSION_MODAL_GPU_SNAPSHOT="true",
            DAGFUSION_MODAL_MAX_CONTAINERS="9",
            DAGFUSION_MODAL_SCALEDOWN_S="60",
            DAGFUSION_MODAL_CLEANUP_CRON="30 2 * * *",
            DAGFUSION_MODAL_JOBS_VOLUME="other",
            DAGFUSION_DATABASE_URL="postgresql://user:word@db.example.com/queue",
            DAGFUSION_MANIFEST=str(manifest),
            DAGFUSION_API_KEYS="abc",
        )
        functions = plane.functions()
        ranked = next(one for one in plane.of("FunctionCreate") if one.function_data.function_name == "Gpu.*")
        types = [one.function.resources.gpu_config.gpu_type for one in ranked.function_data.ranked_functions]
        assert types == ["H100", "L40S"]
        gpu = functions["Gpu.*"]
        assert (gpu.max_concurrent_inputs, gpu.app_name) == (2, "mine")
        assert (gpu.autoscaler_settings.max_containers, gpu.autoscaler_settings.scaledown_window) == (9, 60)
        assert "enable_gpu_snapshot" in str(gpu)
        assert functions["api"].autoscaler_settings.max_containers == 4  # they share the queue in PostgreSQL
        assert functions["clean_up"].schedule.cron.cron_string == "30 2 * * *"
        assert "other" in plane.volume_names()
        passed = [dict(request.env_dict) for request in plane.of("SecretGetOrCreate")]
        assert any(one.get("DAGFUSION_API_KEYS") == "abc" and "DAGFUSION_MANIFEST" not in one for one in passed)
        files = [entry.filename for request in plane.of("MountGetOrCreate") for entry in request.files]
        assert "/etc/dagfusion/models.yaml" in files


def test_what_goes_to_containers_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DAGFUSION_DATA", "HF_HOME", "HF_TOKEN", "DAGFUSION_SECRET", "HOME"):
        monkeypatch.setenv(name, "x")
    passed = environment_passed_on()
    assert {"HF_TOKEN", "DAGFUSION_SECRET"} <= set(passed)
    assert not {"DAGFUSION_DATA", "HF_HOME", "HOME"} & set(passed)
