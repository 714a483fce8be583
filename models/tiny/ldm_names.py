"""Public names: from diffusers' and transformers' parameter names to those of SD1.x single files."""

import re

Names = dict[str, str]

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
UNET_ENDS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
MIDDLE = {"resnets.0": "middle_block.0", "attentions.0": "middle_block.1", "resnets.1": "middle_block.2"}
VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
BLOCK = re.compile(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)")
VAE_BLOCK = re.compile(r"(encoder|decoder)\.(?:down|up)_blocks\.(\d+)\.(resnets|downsamplers|upsamplers)\.(\d+)\.(.+)")


def _resnet(rest: str) -> str:
    part, _, leaf = rest.rpartition(".")
    return f"{RESNET[part]}.{leaf}"


def _unet_name(key: str, layers: int, attending: set[str]) -> str:
    """One UNet name; `layers` res blocks a level on the way down, `attending` the up blocks with attention."""
    for old, new in UNET_ENDS.items():
        if key.startswith(f"{old}."):
            return key.replace(old, new, 1)
    if key.startswith("mid_block."):
        kind, number, rest = key.removeprefix("mid_block.").split(".", 2)
        return f"{MIDDLE[f'{kind}.{number}']}.{_resnet(rest) if kind == 'resnets' else rest}"
    found = BLOCK.fullmatch(key)
    if found is None:
        raise KeyError(key)
    way, level, kind, layer, rest = found.groups()
    first = int(level) * (layers + 1) + (1 if way == "down" else 0)
    stem = "input_blocks" if way == "down" else "output_blocks"
    if kind == "downsamplers":
        return f"{stem}.{first + layers}.0.op.{rest.removeprefix('conv.')}"
    if kind == "upsamplers":
        return f"{stem}.{first + layers}.{2 if level in attending else 1}.{rest}"
    place = f"{stem}.{first + int(layer)}"
    return f"{place}.0.{_resnet(rest)}" if kind == "resnets" else f"{place}.1.{rest}"


def unet_names(keys: "list[str] | dict[str, object]") -> Names:
    """UNet2DConditionModel's names to LDM's, below `model.diffusion_model.`."""
    layers = 1 + max(int(m[1]) for k in keys if (m := re.match(r"down_blocks\.\d+\.resnets\.(\d+)", k)))
    attending = {m[1] for k in keys if (m := re.match(r"up_blocks\.(\d+)\.attentions", k))}
    return {k: _unet_name(k, layers, attending) for k in keys}


def control_names(keys: "list[str] | dict[str, object]") -> Names:
    """ControlNetModel's names to ControlNet 1.0's, below `control_model.`."""
    layers = 1 + max(int(m[1]) for k in keys if (m := re.match(r"down_blocks\.\d+\.resnets\.(\d+)", k)))
    hints = 1 + max(int(m[1]) for k in keys if (m := re.match(r"controlnet_cond_embedding\.blocks\.(\d+)", k)))
    out = {}
    for k in keys:
        if found := re.fullmatch(r"controlnet_cond_embedding\.blocks\.(\d+)\.(.+)", k):
            out[k] = f"input_hint_block.{2 * int(found[1]) + 2}.{found[2]}"
        elif k.startswith("controlnet_cond_embedding.conv_in."):
            out[k] = k.replace("controlnet_cond_embedding.conv_in", "input_hint_block.0")
        elif k.startswith("controlnet_cond_embedding.conv_out."):
            out[k] = k.replace("controlnet_cond_embedding.conv_out", f"input_hint_block.{2 * hints + 2}")
        elif found := re.fullmatch(r"controlnet_down_blocks\.(\d+)\.(.+)", k):
            out[k] = f"zero_convs.{found[1]}.0.{found[2]}"
        elif k.startswith("controlnet_mid_block."):
            out[k] = k.replace("controlnet_mid_block", "middle_block_out.0")
        else:
            out[k] = _unet_name(k, layers, set())
    return out


def vae_name(key: str, levels: int = 4) -> str:
    """AutoencoderKL's name to LDM's, below `first_stage_model.`."""
    key = key.replace("conv_norm_out", "norm_out")
    if found := VAE_BLOCK.fullmatch(key):
        side, level, kind, layer, rest = found.groups()
        place = f"{side}.down.{level}" if side == "encoder" else f"{side}.up.{levels - 1 - int(level)}"
        if kind == "resnets":
            return f"{place}.block.{layer}.{rest.replace('conv_shortcut', 'nin_shortcut')}"
        return f"{place}.{kind.removesuffix('rs')}e.{rest}".replace("samplee", "sample")
    key = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", key)
    if "mid_block.attentions.0." in key:
        head, rest = key.split("mid_block.attentions.0.")
        part, _, leaf = rest.rpartition(".")
        return f"{head}mid.attn_1.{VAE_ATTENTION[part]}.{leaf}"
    return key


def lora_name(key: str) -> str:
    """A UNet module's name in kohya's LoRA files: `lora_unet_` and diffusers' name with underscores."""
    return "lora_unet_" + key.replace(".", "_")
