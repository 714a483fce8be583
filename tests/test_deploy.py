"""What docs/deploy starts is there: units and manifests are sound, and name our commands, settings and answers."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from adapters.host.settings import read_settings
from tests.adapters.doors.http.serving import serving
from tests.dockerfile import ROOT, instructions
from tests.test_docker import BIN, compose, parse, variables

DEPLOY = ROOT / "docs" / "deploy"
UNIT = DEPLOY / "dagfusion.service"
OTHERS_VARIABLES = {"XDG_CACHE_HOME", "PGDATA", "POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD"}


class _Entries(dict[str, Any]):
    """Of a section in which a name may come several times: its values as lines of one."""

    def __setitem__(self, key: str, value: Any) -> None:
        if isinstance(value, list) and key in self:
            value = [*self[key], *value]
        super().__setitem__(key, value)


def unit() -> RawConfigParser:
    found = RawConfigParser(dict_type=_Entries, strict=False)
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read(UNIT)
    return found


def unit_environment() -> dict[str, str]:
    return dict(line.split("=", 1) for line in unit()["Service"]["Environment"].splitlines() if line)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed here")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    (tmp_path / "dagfusion.service").write_text(UNIT.read_text().replace("/opt/dagfusion/bin", str(BIN)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / "dagfusion.service"], capture_output=True, text=True
    )
    assert (done.returncode, [line for line in done.stderr.splitlines() if "dagfusion" in line]) == (0, [])


def test_the_unit_starts_the_service_with_settings_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    service = unit()["Service"]
    assert parse(shlex.split(service["ExecStart"])[1:]) == "serve"
    environment = unit_environment()
    assert set(environment) <= variables() | OTHERS_VARIABLES
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = read_settings({})
    written = (
        settings.data,
        settings.input,
        settings.output,
        settings.temp,
        settings.fingerprints,
        settings.disk_cache,
    )
    own = (f"/var/lib/{service['StateDirectory']}", f"/var/cache/{service['CacheDirectory']}")
    assert [str(path) for path in written if not str(path).startswith(own)] == []  # all else is read-only


def test_jobs_in_hand_have_their_time_before_systemd_kills() -> None:
    service = unit()["Service"]
    assert service["KillMode"] == "mixed"
    assert float(service["TimeoutStopSec"]) > float(unit_environment()["DAGFUSION_DRAIN_S"]) + 5


def manifests() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))


def one(kind: str, name: str) -> dict[str, Any]:
    (found,) = (it for it in manifests() if (it["kind"], it["metadata"]["name"]) == (kind, name))
    return found


def pods() -> dict[str, dict[str, Any]]:
    """The pods' specifications by their part."""
    return {
        it["spec"]["template"]["metadata"]["labels"]["part"]: it["spec"]["template"]["spec"]
        for it in manifests()
        if it["kind"] in ("Deployment", "StatefulSet")
    }


def named_variables(pod: dict[str, Any]) -> Iterator[str]:
    for container in pod["containers"]:
        yield from (entry["name"] for entry in container["env"])
        for source in container.get("envFrom", ()):
            yield from one("ConfigMap", source["configMapRef"]["name"])["data"]


@pytest.mark.parametrize("version", ["1.28", "1.32", "1.37"])
def test_kubernetes_knows_every_field(version: str) -> None:
    for manifest in manifests():
        kubernetes_validate.validate(manifest, version, strict=True)


def test_a_field_that_there_is_not_would_be_found() -> None:
    manifest = one("Deployment", "dagfusion-web")
    manifest["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readynessProbe"):
        kubernetes_validate.validate(manifest, "1.32", strict=True)


def test_the_pods_are_those_of_compose() -> None:
    assert {"database", "web", "worker"} == set(pods()) == set(compose()["services"])
    for part, service in compose()["services"].items():
        (container,) = pods()[part]["containers"]
        assert container["image"] == service["image"]
        assert container.get("args") == service.get("command")
        ours = {name for name in service["environment"] if name.startswith("DAGFUSION_")}
        assert ours <= set(named_variables(pods()[part]))


def test_commands_variables_and_ports_are_ours() -> None:
    assert set().union(*(named_variables(pod) for pod in pods().values())) <= variables() | OTHERS_VARIABLES
    for part, command in (("web", "serve"), ("worker", "worker")):
        assert parse(pods()[part]["containers"][0]["args"]) == command
    (web,) = pods()["web"]["containers"]
    assert str(web["ports"][0]["containerPort"]) in web["args"]
    image = dict(instructions("service"))
    assert f"--uid {pods()['web']['securityContext']['runAsUser']} " in "".join(
        rest for word, rest in instructions("service") if word == "RUN"
    )
    assert image["EXPOSE"] == str(web["ports"][0]["containerPort"])


def test_what_is_named_is_there() -> None:
    claims = {it["metadata"]["name"] for it in manifests() if it["kind"] == "PersistentVolumeClaim"}
    for part, pod in pods().items():
        volumes = {volume["name"] for volume in pod.get("volumes", ())} | (
            {"database"} if part == "database" else set()
        )
        assert {mount["name"] for mount in pod["containers"][0]["volumeMounts"]} == volumes
        assert {
            v["persistentVolumeClaim"]["claimName"] for v in pod.get("volumes", ()) if "emptyDir" not in v
        } <= claims
    for service in (it for it in manifests() if it["kind"] == "Service"):
        (container,) = pods()[service["spec"]["selector"]["part"]]["containers"]
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= {
            port["name"] for port in container["ports"]
        }
    (address,) = {
        entry["value"].rpartition("@")[2].partition("/")[0]
        for part in ("web", "worker")
        for entry in pods()[part]["containers"][0]["env"]
        if entry["name"] == "DAGFUSION_DATABASE_URL"
    }
    assert one("Service", address)["spec"]["selector"]["part"] == "database"
    told = (ROOT / "docs" / "deploy.md").read_text()
    for pod in pods().values():
        for entry in pod["containers"][0]["env"]:
            secret = entry.get("valueFrom", {}).get("secretKeyRef")
            assert secret is None or f"--from-literal={secret['key']}=" in told


def test_probes_are_answered_without_a_key(tmp_path: Path) -> None:
    (web,) = pods()["web"]["containers"]
    probes = [web[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")]
    with serving(tmp_path, host="0.0.0.0", api_keys="key") as running, running.client() as client:
        for probe in probes:
            assert client.get(probe["path"], headers={"Host": "10.1.2.3:8188"}).status_code == 200
        assert client.get("/v1/jobs", headers={"Host": "10.1.2.3:8188"}).status_code == 401


def test_pods_that_end_have_time_to() -> None:
    drain_s = float(one("ConfigMap", "dagfusion")["data"]["DAGFUSION_DRAIN_S"])
    assert pods()["worker"]["terminationGracePeriodSeconds"] > drain_s + 5
    web = pods()["web"]
    wait_s = int(web["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert web["terminationGracePeriodSeconds"] > wait_s + 30


@pytest.mark.parametrize("name", ["kubernetes.yaml", "kuberay.yaml"])
def test_no_secret_is_written_down(name: str) -> None:
    text = (DEPLOY / name).read_text()
    assert "kind: Secret" not in text and not re.search(r"(PASSWORD|KEYS|SECRET), value:", text)


def kuberay() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "kuberay.yaml").read_text())
    return found


def ray_pods() -> dict[str, dict[str, Any]]:
    cluster = kuberay()["spec"]["rayClusterConfig"]
    groups = {group["groupName"]: group for group in cluster["workerGroupSpecs"]} | {"head": cluster["headGroupSpec"]}
    return {name: group["template"]["spec"] for name, group in groups.items()}


@pytest.mark.filterwarnings("ignore:Using extra keyword arguments on `Field`")  # in Ray's own schema
def test_kuberay_runs_what_serve_does_without_it() -> None:
    """The tests of the door run this application on a cluster."""
    from ray.serve.schema import ServeDeploySchema

    from adapters.doors.ray.settings import RaySettings

    document = yaml.safe_load(kuberay()["spec"]["serveConfigV2"])
    ServeDeploySchema.model_validate(document)
    (application,) = document["applications"]
    (documented,) = yaml.safe_load((ROOT / "docs" / "serve.yaml").read_text())["applications"]
    del documented["runtime_env"]  # the pods' own variables
    assert application == documented and set(application["args"]) <= set(RaySettings.model_fields)
    (group,) = kuberay()["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    assert (group["minReplicas"], group["maxReplicas"]) == (
        application["args"]["min_replicas"],
        application["args"]["max_replicas"],
    )


def test_kuberays_pods_are_sound_and_go_with_the_other_manifests() -> None:
    import ray

    assert kuberay()["spec"]["rayClusterConfig"]["rayVersion"] == ray.__version__
    for name, pod in ray_pods().items():
        whole = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": pod}
        kubernetes_validate.validate(whole, "1.32", strict=True)
        assert set(named_variables(pod)) <= variables() | OTHERS_VARIABLES
        assert set(named_variables(pod)) >= set(named_variables(pods()["web"])) - {
            "DAGFUSION_DRAIN_S",
            "DAGFUSION_LOG_FORMAT",
        }
        (container,) = pod["containers"]
        assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
        for volume in pod["volumes"]:
            claim = volume.get("persistentVolumeClaim")
            assert claim is None or one("PersistentVolumeClaim", claim["claimName"])
        # Where these are left out, the operator's call programs that the image does not have.
        assert {"livenessProbe", "readinessProbe"} <= container.keys()
    assert kuberay()["metadata"]["namespace"] == one("Deployment", "dagfusion-web")["metadata"]["namespace"]
    (worker,) = ray_pods()["gpu"]["containers"]
    assert worker["resources"]["limits"]["nvidia.com/gpu"] == 1
