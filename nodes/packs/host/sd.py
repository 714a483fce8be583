"""``comfy.sd``: loading by file, and LoRAs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nodes import diffusion
from nodes.packs.missing import missing
from nodes.packs.objects import WrappedClip, WrappedModel, WrappedVae
from nodes.packs.running import context


def load_checkpoint_guess_config(
    ckpt_path: Any, output_vae: bool = True, output_clip: bool = True, **_: Any
) -> tuple[Any, Any, Any, None]:
    """Model, CLIP and VAE of a checkpoint file."""
    from nodes.values import Clip, Vae

    made = diffusion.checkpoints.load_checkpoint(Path(ckpt_path))
    clip = WrappedClip(made.clip) if output_clip and isinstance(made.clip, Clip) else None
    vae = WrappedVae(made.vae) if output_vae and isinstance(made.vae, Vae) else None
    return WrappedModel(made.model), clip, vae, None


def load_lora_for_models(
    model: Any, clip: Any, lora: Any, strength_model: float, strength_clip: float, **_: Any
) -> tuple[Any, Any]:
    """Model and CLIP with a LoRA put on, given as tensors by name."""
    import tempfile

    from safetensors.torch import save_file

    ctx = context()
    with tempfile.TemporaryDirectory(prefix="dagfusion-lora-") as folder:
        file = Path(folder, "lora.safetensors")
        save_file({name: tensor.contiguous() for name, tensor in lora.items()}, file)
        changed, changed_clip = diffusion.lora.apply_lora(
            ctx.models,
            model.ours,
            None if clip is None else clip.ours,
            file,
            strength_model=float(strength_model),
            strength_clip=float(strength_clip),
            note=ctx.note,
        )
    return WrappedModel(changed), None if changed_clip is None else WrappedClip(changed_clip)


class CLIP(WrappedClip):
    """What packs name in annotations and checks."""


class VAE(WrappedVae):
    """What packs name in annotations and checks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        missing("comfy.sd.VAE", "of tensors")()


class CLIPType:
    """Kinds of text encoders."""

    STABLE_DIFFUSION, STABLE_CASCADE, SD3, STABLE_AUDIO, HUNYUAN_DIT, FLUX, MOCHI, LTXV = range(1, 9)
