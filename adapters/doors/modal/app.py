"""The Modal app: ``modal deploy -m adapters.modal_app``. Declarations only; ``parts`` does it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import modal
import modal.experimental

from adapters.doors.modal import parts
from adapters.doors.modal.image import builder_image, service_image
from adapters.doors.modal.places import MountedPaths
from adapters.doors.modal.settings import read_modal_settings
from adapters.host.settings import environment_passed_on, read_settings

PLACES = MountedPaths()
chosen, settings = read_modal_settings(), read_settings({})
app = modal.App(chosen.app, include_source=False)  # the image has the package
models = modal.Volume.from_name(chosen.models_volume, create_if_missing=True)
jobs = modal.Volume.from_name(chosen.jobs_volume, create_if_missing=True)
volumes: dict[Any, Any] = {str(PLACES.models): models.read_only(), str(PLACES.jobs): jobs}
secrets = [modal.Secret.from_dict(dict(environment_passed_on())), *map(modal.Secret.from_name, chosen.secrets)]
if modal.is_local():
    image = service_image(chosen.extras, settings)
    cuda_image = builder_image(chosen.cuda_image)
else:  # A container runs in its image and does not make it.
    image = cuda_image = modal.Image.debian_slim()


@app.cls(
    image=image,
    gpu=chosen.gpu,
    cpu=chosen.cpu,
    memory=chosen.memory_mib,
    volumes=volumes,
    secrets=secrets,
    timeout=chosen.timeout_s,
    startup_timeout=chosen.startup_timeout_s,
    scaledown_window=chosen.scaledown_s,
    min_containers=chosen.min_containers,
    max_containers=chosen.max_containers,
    enable_memory_snapshot=chosen.snapshot,
    experimental_options={"enable_gpu_snapshot": True} if chosen.gpu_snapshot else {},
)
@modal.concurrent(max_inputs=chosen.concurrency)
class Gpu:
    """Runs job documents. Without a snapshot of the GPU's memory, the second phase follows each start."""

    @modal.enter(snap=chosen.snapshot)
    def load(self) -> None:
        """Phase one, on a CPU: its end is what the snapshot is taken of."""
        self.container = parts.gpu_container(PLACES, chosen, jobs, modal.experimental.stop_fetching_inputs)
        self.container.load()
        if chosen.gpu_snapshot:
            self.container.move()

    @modal.enter(snap=False)
    def move(self) -> None:
        """Phase two, after each start."""
        self.container.resume()

    @modal.method()
    async def run(self, document: Mapping[str, Any]) -> AsyncIterator[Any]:
        """A job document goes in, messages come out."""
        async for message in self.container.run(document, modal.current_function_call_id() or ""):
            yield message

    @modal.exit()
    def leave(self) -> None:
        """What was written is committed."""
        self.container.close()


def _send(document: Mapping[str, Any]) -> Iterator[Any]:
    return iter(Gpu().run.remote_gen(document))


def _cancel(call_id: str) -> None:
    modal.FunctionCall.from_id(call_id).cancel()


@app.function(
    image=image,
    volumes=volumes,
    secrets=secrets,
    timeout=24 * 3600,
    startup_timeout=300,
    scaledown_window=chosen.scaledown_s,
    min_containers=chosen.api_min_containers,
    max_containers=parts.api_max_containers(chosen, settings.database_url),
)
@modal.concurrent(max_inputs=1000)
@modal.asgi_app()
def api() -> Any:
    """The API, without a GPU."""
    return parts.api(PLACES, chosen, jobs, _send, _cancel)


@app.function(image=image, volumes=volumes, secrets=secrets, timeout=3600, schedule=modal.Cron(chosen.cleanup_cron))
def clean_up() -> None:
    """Every day: forget old jobs, delete files that no job refers to."""
    parts.clean_up(PLACES, jobs)


@app.function(image=image, volumes={str(PLACES.models): models}, secrets=secrets, timeout=24 * 3600)
def fetch_models() -> list[dict[str, str]]:
    """Bring the manifest's models into their volume."""
    return parts.pull_models(PLACES, models)


@app.function(image=image, gpu=chosen.gpu, volumes=volumes, secrets=secrets, timeout=1800)
def examine() -> list[dict[str, str]]:
    """What a GPU container finds of models, nodes and GPU."""
    return parts.examine(PLACES)


@app.function(image=cuda_image, gpu=chosen.gpu, volumes={str(PLACES.models): models}, cpu=8.0, timeout=2 * 3600)
def build_sageattention() -> str:
    """A wheel for the containers' GPU, into the models' volume, for all containers that start later."""
    return parts.build_sageattention(PLACES, chosen, models)


@app.local_entrypoint()
def pull_models() -> None:
    """``modal run -m adapters.modal_app::pull_models``. Exit code 1 where a model is not there in the end."""
    _print_and_exit(fetch_models.remote())


@app.local_entrypoint()
def verify_setup() -> None:
    """``modal run -m adapters.modal_app::verify_setup``. Exit code 1 where something fails."""
    _print_and_exit(examine.remote())


def _print_and_exit(rows: list[dict[str, str]]) -> None:
    from adapters.doors.modal.setup_check import print_rows

    raise SystemExit(0 if print_rows(rows) else 1)
