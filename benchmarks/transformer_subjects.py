"""Transformers of the published widths with few blocks and random weights, and a pass through each in two ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmarks.weights import random_tensors
from engine.errors import DagfusionError

if TYPE_CHECKING:
    import torch

PATCH = 2
LATENT_CHANNELS = 16
PIXELS = 8  # that a pixel of a latent stands for, along each side
TIME = 0.5  # of a flow, from 1 (noise) to 0

Tensors = Mapping[str, "torch.Tensor"]
Call = Callable[[Any, Tensors], "torch.Tensor"]


@dataclass(frozen=True)
class Subject:
    """``kind``: the class of diffusers. ``config``: its arguments but for the number of ``blocks``, which are named.

    ``context``: tokens and width of the prompt; ``pooled``: the width of its summary, where there is one. ``theirs``:
    the class's own pass over latents; ``ours``: what the family's step is told beside them. ``frames``: of a latent
    that has time. ``whole``: whether the family's network is the class as it is.
    """

    kind: str
    config: Mapping[str, Any]
    blocks: tuple[str, ...]
    context: tuple[int, int]
    theirs: Call
    pooled: int | None = None
    frames: int | None = None
    whole: bool = True


def subject(family: str) -> Subject:
    """Raises ``DagfusionError`` for families that are not here."""
    if family not in SUBJECTS:
        raise DagfusionError(f"no sizes are known of '{family}'", remedy=f"there are: {', '.join(SUBJECTS)}")
    return SUBJECTS[family]


def network(family: str, blocks: int, dtype: torch.dtype, device: str) -> tuple[Any, Any]:
    """The class of diffusers and the family's network around the same tensors."""
    import diffusers
    import torch  # noqa: F401

    about = subject(family)

    def empty() -> Any:
        with _parameters_without_memory():
            return getattr(diffusers, about.kind)(**about.config, **dict.fromkeys(about.blocks, blocks))

    theirs = empty()
    shapes = {name: tuple(tensor.shape) for name, tensor in theirs.state_dict().items()}
    tensors = {name: tensor.to(device, dtype) for name, tensor in random_tensors(shapes, 0)}
    pair = theirs, (theirs if about.whole else empty())
    for each in pair:
        each.load_state_dict(tensors, assign=True)
        each.requires_grad_(False).eval()
    return pair


def latents(family: str, dtype: torch.dtype, device: str, *, size_px: int, rows: int) -> dict[str, torch.Tensor]:
    """``x`` and ``time``, ``context`` and, where the family takes it, ``pooled``; random."""
    import torch

    about, source = subject(family), torch.Generator().manual_seed(1)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(rows, *shape, generator=source).to(device, dtype)

    side = size_px // PIXELS
    times = () if about.frames is None else (about.frames,)
    made = {
        "x": random(LATENT_CHANNELS, *times, side, side),
        "time": torch.full((rows,), TIME, device=device),
        "context": random(*about.context),
    }
    return made if about.pooled is None else {**made, "pooled": random(about.pooled)}


def ours(family: str, module: Any, given: Tensors) -> torch.Tensor:
    """The family's own pass."""
    from nodes.hooks import Call as Pass

    scale = {"sd3": 1000.0, "wan": 1000.0}.get(family, 1.0)
    inputs = {name: tensor for name, tensor in given.items() if name in ("context", "pooled", "guidance")}
    if family == "flux":
        inputs["guidance"] = given["time"] * 0 + 3.5
    step = import_module(f"nodes.families.{family}.denoiser").step
    made: torch.Tensor = step(module, given["x"], given["time"] * scale, inputs, Pass())
    return made


def like(made: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """``made``, a latent, as the tokens that some classes of diffusers return."""
    return made if made.shape == reference.shape else _tokens(made)


@contextmanager
def _parameters_without_memory() -> Iterator[None]:
    """Within, modules are made with parameters on the meta device, and with tables that hold what they should."""
    from torch import nn

    register = nn.Module.register_parameter

    def register_empty(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        register(module, name, parameter if parameter is None else nn.Parameter(parameter.detach().to("meta"), False))

    nn.Module.register_parameter = register_empty  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        nn.Module.register_parameter = register  # type: ignore[method-assign]


def _tokens(x: torch.Tensor) -> torch.Tensor:
    from nodes.diffusion.tokens import to_tokens

    return to_tokens(x if x.ndim == 4 else x[:, :, 0], PATCH)


def _grid(x: torch.Tensor) -> torch.Tensor:
    import torch

    rows, columns = (side // PATCH for side in x.shape[-2:])
    grid = torch.zeros(rows, columns, 3, device=x.device)
    grid[..., 1] += torch.arange(rows, device=x.device)[:, None]
    grid[..., 2] += torch.arange(columns, device=x.device)
    return grid.flatten(0, 1)


def _flux(module: Any, given: Tensors) -> torch.Tensor:
    made: torch.Tensor = module(
        _tokens(given["x"]),
        given["context"],
        given["pooled"],
        given["time"],
        _grid(given["x"]),
        _grid(given["x"])[:1].expand(given["context"].shape[1], 3) * 0,
        given["time"] * 0 + 3.5,
        return_dict=False,
    )[0]
    return made


def _sd3(module: Any, given: Tensors) -> torch.Tensor:
    made: torch.Tensor = module(given["x"], given["context"], given["pooled"], given["time"] * 1000, return_dict=False)[
        0
    ]
    return made


def _qwen_image(module: Any, given: Tensors) -> torch.Tensor:
    x = given["x"]
    shapes = [[(1, x.shape[-2] // PATCH, x.shape[-1] // PATCH)]] * len(x)
    made: torch.Tensor = module(_tokens(x), given["context"], None, given["time"], shapes, return_dict=False)[0]
    return made


def _z_image(module: Any, given: Tensors) -> torch.Tensor:
    import torch

    x = list(given["x"][:, :, None])
    made: list[torch.Tensor] = module(x, 1 - given["time"], list(given["context"]), return_dict=False)[0]
    return -torch.stack(made)[:, :, 0]


def _wan(module: Any, given: Tensors) -> torch.Tensor:
    made: torch.Tensor = module(given["x"], given["time"] * 1000, given["context"], return_dict=False)[0]
    return made


SUBJECTS: Mapping[str, Subject] = {
    "flux": Subject(
        "FluxTransformer2DModel",
        {"guidance_embeds": True},
        ("num_layers", "num_single_layers"),
        (256, 4096),
        _flux,
        pooled=768,
    ),
    "sd3": Subject(
        "SD3Transformer2DModel",
        {"sample_size": 128, "num_attention_heads": 24, "caption_projection_dim": 1536, "pos_embed_max_size": 192},
        ("num_layers",),
        (154, 4096),
        _sd3,
        pooled=2048,
    ),
    "qwen_image": Subject("QwenImageTransformer2DModel", {}, ("num_layers",), (64, 3584), _qwen_image, frames=1),
    "z_image": Subject("ZImageTransformer2DModel", {"n_refiner_layers": 1}, ("n_layers",), (64, 2560), _z_image),
    "wan": Subject(
        "WanTransformer3DModel", {"text_dim": 4096}, ("num_layers",), (512, 4096), _wan, frames=5, whole=False
    ),
}
