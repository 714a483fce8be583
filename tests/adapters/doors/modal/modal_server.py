"""As much of Modal's control plane, on loopback, as the SDK needs for a deployment; it keeps what it was sent."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from google.protobuf.empty_pb2 import Empty
from grpclib import GRPCError, Status
from grpclib.server import Server
from modal_proto import api_grpc, api_pb2

_BUILDER = "2025.06"
_number = count(1)


def new_id(prefix: str) -> str:
    return f"{prefix}-{next(_number):022}"


def _function_created(request: Any) -> Any:
    data = request.function_data
    if not data.ranked_functions:
        data = api_pb2.FunctionData(ranked_functions=[api_pb2.FunctionData.RankedFunction(function=request.function)])
    made = data.ranked_functions[0].function
    handle = api_pb2.FunctionHandleMetadata(
        function_name=made.function_name, function_type=made.function_type, web_url="http://127.0.0.1:1"
    )
    return api_pb2.FunctionCreateResponse(
        function_id=request.existing_function_id, function=made, function_data=data, handle_metadata=handle
    )


ANSWERS: dict[str, Callable[[Any], Any]] = {
    "ClientHello": lambda _: api_pb2.ClientHelloResponse(image_builder_version=_BUILDER),
    "EnvironmentGetOrCreate": lambda _: api_pb2.EnvironmentGetOrCreateResponse(
        environment_id=new_id("en"),
        metadata=api_pb2.EnvironmentMetadata(
            name="main", settings=api_pb2.EnvironmentSettings(image_builder_version=_BUILDER)
        ),
    ),
    "AppGetByDeploymentName": lambda _: api_pb2.AppGetByDeploymentNameResponse(),
    "AppCreate": lambda _: api_pb2.AppCreateResponse(app_id=new_id("ap")),
    "AppPublish": lambda _: api_pb2.AppPublishResponse(url="http://127.0.0.1:1"),
    "AppGetLifecycle": lambda _: api_pb2.AppGetLifecycleResponse(),
    "AppClientDisconnect": lambda _: Empty(),
    "AppHeartbeat": lambda _: Empty(),
    "MountBatchedCheckExistence": lambda _: api_pb2.MountBatchedCheckExistenceResponse(),
    "MountPutFile": lambda _: api_pb2.MountPutFileResponse(exists=True),
    "MountGetOrCreate": lambda _: api_pb2.MountGetOrCreateResponse(mount_id=new_id("mo")),
    "ImageGetOrCreate": lambda _: api_pb2.ImageGetOrCreateResponse(image_id=new_id("im")),
    "ImageJoinStreaming": lambda _: api_pb2.ImageJoinStreamingResponse(
        result=api_pb2.GenericResult(status=api_pb2.GenericResult.GENERIC_STATUS_SUCCESS)
    ),
    "VolumeGetOrCreate": lambda request: api_pb2.VolumeGetOrCreateResponse(
        volume_id=new_id("vo"), metadata=api_pb2.VolumeMetadata(name=request.deployment_name)
    ),
    "SecretGetOrCreate": lambda _: api_pb2.SecretGetOrCreateResponse(secret_id=new_id("st")),
    "FunctionPrecreate": lambda request: api_pb2.FunctionPrecreateResponse(
        function_id=new_id("fu"), handle_metadata=api_pb2.FunctionHandleMetadata(function_name=request.function_name)
    ),
    "FunctionCreate": _function_created,
    "ClassCreate": lambda _: api_pb2.ClassCreateResponse(
        class_id=new_id("cs"), handle_metadata=api_pb2.ClassHandleMetadata()
    ),
}


class ControlPlane(api_grpc.ModalClientBase):
    """``received``: every request, by the name of the call."""

    def __init__(self) -> None:
        self.received: list[tuple[str, Any]] = []
        self.url = ""

    def of(self, name: str) -> list[Any]:
        return [request for called, request in self.received if called == name]

    def functions(self) -> dict[str, Any]:
        """What was deployed, by name, as the scheduler gets it."""
        made = [_function_created(request).function for request in self.of("FunctionCreate")]
        return {one.function_name: one for one in made}

    def volume_names(self) -> list[str]:
        return [request.deployment_name for request in self.of("VolumeGetOrCreate")]

    def image_lines(self) -> list[str]:
        return [line for request in self.of("ImageGetOrCreate") for line in request.image.dockerfile_commands]


def _answering(name: str) -> Any:
    async def answer(self: ControlPlane, stream: Any) -> None:
        request = await stream.recv_message()
        self.received.append((name, request))
        if name not in ANSWERS:
            raise GRPCError(Status.UNIMPLEMENTED, name)
        await stream.send_message(ANSWERS[name](request))

    return answer


for _name in api_grpc.ModalClientBase.__abstractmethods__:
    setattr(ControlPlane, _name, _answering(_name))
ControlPlane.__abstractmethods__ = frozenset()  # type: ignore[attr-defined]


@contextmanager
def control_plane() -> Iterator[ControlPlane]:
    """One that listens."""
    plane, loop, ready = ControlPlane(), asyncio.new_event_loop(), threading.Event()
    server: list[Server] = []

    async def listen() -> None:
        server.append(Server([plane]))
        await server[0].start("127.0.0.1", 0)
        assert server[0]._server is not None
        plane.url = f"http://127.0.0.1:{server[0]._server.sockets[0].getsockname()[1]}"
        ready.set()

    def run() -> None:
        loop.create_task(listen())
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        assert ready.wait(60)
        yield plane
    finally:

        async def stop() -> None:
            server[0].close()
            await server[0].wait_closed()

        asyncio.run_coroutine_threadsafe(stop(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()
