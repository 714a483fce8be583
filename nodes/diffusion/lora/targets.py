"""Which parameter of a network a LoRA file's module name means, in every naming style that trainers use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nodes.diffusion.name_map import NameMap, Spans

_PREFIXES = (
    "lora_unet_", "lycoris_", "base_model_model_unet_", "base_model_model_", "model_diffusion_model_",
    "diffusion_model_", "lora_transformer_", "unet_", "",
)  # fmt: skip
_TEXT_PREFIXES = ("lora_te_", "lora_te1_", "text_encoder_", "base_model_model_text_encoder_", "base_model_model_",
                  "text_encoders_clip_l_transformer_", "text_encoders_clip_h_transformer_")  # fmt: skip
_BIGG = "text_encoders_clip_g_transformer_"
_CLIPS = frozenset({"clip_l", "clip_h", "clip_g"})
_SECOND_TEXT_PREFIXES = ("lora_te2_", "text_encoder_2_", _BIGG)
# The refiner's only encoder is the one that is SDXL's second.
_ONLY_TEXT_PREFIXES = (*_TEXT_PREFIXES, "lora_prior_te_", _BIGG)

# diffusers' first LoRA format named attention processors, and CLIP's projections by the UNet's names.
_OLD_TEXT_NAMES = {"_to_q": "_q_proj", "_to_k": "_k_proj", "_to_v": "_v_proj", "_to_out": "_out_proj"}

# OpenCLIP bigG's projection has these names whether it is the second encoder or the only one.
_PROJECTIONS = ("lora_te2_text_projection", "lora_prior_te_text_projection")


Targets = Mapping[tuple[str, str], Spans]
"""Where the change of a file's module goes: by the module's canonical name, and ``weight`` or ``bias``."""


@dataclass(frozen=True, slots=True)
class ModelTargets:
    """``native``: by the published file's names; ``others``: by further layouts', which may follow ``transformer.``."""

    native: Targets
    others: Targets
    prefixes: tuple[str, ...]

    def find(self, name: str, kind: str) -> Spans:
        """Where the change of a file's module goes; nowhere, if it is none of the network's."""
        canonical = _canonical(name)
        for prefixes, targets in (
            ((*_PREFIXES, *self.prefixes), self.native),
            ((*_PREFIXES, *self.prefixes, "transformer_"), self.others),
        ):
            for prefix in prefixes:
                if canonical.startswith(prefix) and (spans := targets.get((canonical[len(prefix) :], kind))):
                    return spans
        return ()


def model_targets(names: NameMap) -> ModelTargets:
    """The names that files may have for a denoiser's modules."""
    return ModelTargets(
        _by_module(names.native), _by_module(names.others), tuple(prefix.replace(".", "_") for prefix in names.prefixes)
    )


def _by_module(spans: Mapping[str, Spans]) -> Targets:
    found = {}
    for name, places in spans.items():
        module, _, leaf = name.rpartition(".")
        if leaf in ("weight", "bias"):
            found[_canonical(module), leaf] = places
            continue
        # A parameter that stands alone, or a norm's weight by another name.
        found[_canonical(name), "weight"] = places
        if leaf == "scale":
            found[_canonical(module), "weight"] = places
    return found


def text_targets(parameters: Iterable[str]) -> dict[str, str]:
    """Module of the loaded text encoder by canonical name, without the ``text_model`` that not all versions have."""
    return {_canonical(module).removeprefix("text_model_"): module for module in _modules(parameters)}


def text_prefixes(kind: str, kinds: Sequence[str]) -> tuple[str, ...]:
    """Prefixes that files give the text encoder ``kind``, which is one of ``kinds`` that are read together."""
    if kind == "t5xxl":
        return _t5_prefixes(kinds)
    if len(kinds) == 1 and kind in _CLIPS:
        return _ONLY_TEXT_PREFIXES
    if kind in _CLIPS:
        return _SECOND_TEXT_PREFIXES if kind == "clip_g" else _TEXT_PREFIXES
    return (*_ONLY_TEXT_PREFIXES, f"text_encoders_{kind}_transformer_", f"text_encoders_{kind}_")


def _t5_prefixes(kinds: Sequence[str]) -> tuple[str, ...]:
    """Trainers number encoders. T5 comes after the CLIPs; some trainers call it the third even after a single CLIP."""
    number = 1 + len(_CLIPS & set(kinds))
    numbers = (2, 3) if number == 2 else (number,)
    starts = [f"lora_te{each}_" for each in numbers] + ["text_encoders_t5xxl_transformer_"]
    return tuple(start + rest for start in starts for rest in ("encoder_", ""))


def find_text_module(name: str, prefixes: tuple[str, ...], targets: Mapping[str, str]) -> str | None:
    """The text encoder module that a file's module name means, or ``None``."""
    canonical = _canonical(name)
    if canonical in _PROJECTIONS:
        canonical = _BIGG + "text_projection"
    for old, new in _OLD_TEXT_NAMES.items():
        canonical = re.sub(rf"(self_attn){old}(_0)?$", rf"\1{new}", canonical)
    with_model = tuple(prefix + "text_model_" for prefix in prefixes)
    return _find(canonical, (*with_model, *prefixes), targets)


def _find(canonical: str, prefixes: tuple[str, ...], targets: Mapping[str, str]) -> str | None:
    for prefix in prefixes:
        if canonical.startswith(prefix) and (found := targets.get(canonical[len(prefix) :])):
            return found
    return None


def _canonical(name: str) -> str:
    flat = name.replace(".", "_").replace("_processor_to_", "_to_")
    return flat + "_0" if flat.endswith("_to_out") else flat


def _modules(parameters: Iterable[str]) -> list[str]:
    return sorted({name.rpartition(".")[0] for name in parameters})
