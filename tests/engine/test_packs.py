"""Known community packs of node classes."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.left_out import why_left_out
from engine.packs import pack_of
from tests.engine.toys import one, toy_engine, workflow


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


@pytest.mark.parametrize(
    ("class_type", "why"),
    [
        ("KlingVideoNode", "hosted"),
        ("OpenAIGPTImage1", "hosted"),
        ("SaveGLB", "3D"),
        ("GLSLShader", "graphics driver"),
        ("KSampler", ""),
        ("VHS_X", ""),
    ],
)
def test_classes_that_are_left_out_say_so(tmp_path: Path, class_type: str, why: str) -> None:
    assert bool(why_left_out(class_type)) == bool(why)
    assert why in why_left_out(class_type)
    if why:
        problem = one(toy_engine(tmp_path), workflow(x=(class_type,)))
        assert (problem.code, problem.remedy) == ("missing_node_type", why_left_out(class_type))
