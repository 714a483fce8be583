"""Known community packs of node classes."""

from __future__ import annotations

import pytest

from engine.packs import pack_of


@pytest.mark.parametrize(
    ("class_type", "pack"),
    [
        ("VHS_VideoCombine", "ComfyUI-VideoHelperSuite"),
        ("IPAdapterAdvanced", "ComfyUI_IPAdapter_plus"),
        ("UltralyticsDetectorProvider", "ComfyUI-Impact-Subpack"),
        ("ImageResize+", "ComfyUI_essentials"),
        ("UnetLoaderGGUF", "ComfyUI-GGUF"),
        ("ReActorFaceSwap", "ComfyUI-ReActor"),
        ("Image Comparer (rgthree)", "rgthree-comfy"),
        ("Power Lora Loader (rgthree)", "rgthree-comfy"),
        ("FaceDetailer", "ComfyUI-Impact-Pack"),
        ("UltimateSDUpscale", "ComfyUI_UltimateSDUpscale"),
        ("CannyEdgePreprocessor", "comfyui_controlnet_aux"),
        ("ImageResizeKJv2", "ComfyUI-KJNodes"),
        ("KSampler (Efficient)", "efficiency-nodes-comfyui"),
        ("ETN_LoadImageBase64", "comfyui-tooling-nodes"),
        ("CLIPVisionLoader", "ComfyUI"),
        ("Nobody's", ""),
        ("", ""),
    ],
)
def test_packs(class_type: str, pack: str) -> None:
    assert pack_of(class_type) == pack
