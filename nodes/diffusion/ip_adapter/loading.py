"""Reads an IP-Adapter from a file in one of the published layouts."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from engine.errors import ModelUnreadable
from engine.weights import Weights
from nodes.diffusion.assembly import assemble
from nodes.diffusion.contents import content_key
from nodes.diffusion.identity import what_it_is
from nodes.diffusion.ip_adapter.layers import DEEP, SHALLOW
from nodes.diffusion.ip_adapter.projections import projection
from nodes.diffusion.weights import WeightFile, WeightView
from nodes.vision_values import ClipVision, IpAdapter

PICTURE, LAYERS, LAYERS_ELSEWHERE = "image_proj.", "ip_adapter.", "adapter_modules."
_FACES = ("ip_adapter.0.to_q_lora.down.weight", "image_proj.perceiver_resampler.proj_in.weight")
_LAST_OF_DEEP = "ip_adapter.101.to_k_ip.weight"


class IpAdapterNetwork(nn.Module):
    """``image_proj``: from a picture to tokens; ``ip_adapter``: by the number of an attention, its keys and values."""

    def __init__(self, view: WeightView) -> None:
        super().__init__()
        self.image_proj = projection(_below(view, PICTURE))
        numbers = sorted({int(name.split(".")[1]) for name in view if name.startswith(LAYERS)})
        self.ip_adapter = nn.ModuleDict({str(number): _KeysAndValues(view, number) for number in numbers})


class _KeysAndValues(nn.Module):
    def __init__(self, view: WeightView, number: int) -> None:
        super().__init__()
        for name in ("to_k_ip", "to_v_ip"):
            made, seen = view.shape(f"{LAYERS}{number}.{name}.weight")
            self.add_module(name, nn.Linear(seen, made, bias=False))


def _below(view: WeightView, prefix: str) -> WeightView:
    return view.renamed({name.removeprefix(prefix): name for name in view if name.startswith(prefix)})


def load_ip_adapter(path: Path, vision: ClipVision | None = None) -> IpAdapter:
    """The adapter in a file, with the picture encoder that was found for it, if any.

    Raises ``ModelUnreadable`` where the file holds none, or one that reads faces.
    """
    file = WeightFile(path)
    view = file.view("")
    view = view.renamed({name.replace(LAYERS_ELSEWHERE, LAYERS, 1): name for name in view})
    if _reads_faces(view):
        raise ModelUnreadable(
            f"'{path.name}' is an IP-Adapter of faces, which needs insightface's networks",
            input="ipadapter_file",
            remedy="take one that reads whole pictures, such as ip-adapter-plus-face",
        )
    if f"{LAYERS}1.to_k_ip.weight" not in view or not any(name.startswith(PICTURE) for name in view):
        raise ModelUnreadable(
            f"'{path.name}' holds no IP-Adapter{what_it_is(file)}",
            input="ipadapter_file",
            remedy="take a file with tensors called image_proj and ip_adapter",
        )
    weights = Weights(
        f"ip_adapter:{content_key(view)}",
        lambda: assemble(lambda: IpAdapterNetwork(view), view),
        f"{path.name} IP-Adapter",
        release=file.release,
    )
    kind = DEEP if _LAST_OF_DEEP in view else SHALLOW
    return IpAdapter(weights, kind, view.shape(f"{LAYERS}1.to_k_ip.weight")[1], vision)


def _reads_faces(view: WeightView) -> bool:
    is_portrait = f"{PICTURE}proj.2.weight" in view and f"{PICTURE}proj.3.weight" not in view
    return is_portrait or any(name in view for name in _FACES)
