"""Which community pack a node class comes from, for remedies. Data from public workflows; not complete."""

from __future__ import annotations

from collections.abc import Mapping

_BY_CLASS: Mapping[str, tuple[str, ...]] = {
    "ComfyUI-Impact-Pack": (
        *("FaceDetailer", "FaceDetailerPipe", "DetailerForEach", "SAMLoader", "ToDetailerPipe", "BboxDetectorSEGS"),
        *("SegmDetectorSEGS", "SAMDetectorCombined", "MaskToSEGS", "SEGSPreview", "ImpactSwitch"),
    ),
    "ComfyUI_essentials": (
        *("ImageResize+", "GetImageSize+", "ImageCrop+", "ImageFlip+", "MaskPreview+", "ImageCompositeFromMaskBatch+"),
        *("SimpleMath+", "ConsoleDebug+", "ImageListToBatch+", "MaskBlur+"),
    ),
    "ComfyUI-KJNodes": (
        *("ImageResizeKJ", "ImageResizeKJv2", "GetImageSizeAndCount", "GrowMaskWithBlur", "ColorMatch", "SetNode"),
        *(
            "GetNode",
            "INTConstant",
            "FloatConstant",
            "StringConstant",
            "WidgetToString",
            "ImageConcanate",
            "PatchSageAttentionKJ",
        ),
    ),
    "ComfyUI-Impact-Subpack": ("UltralyticsDetectorProvider",),
    "ComfyUI-GGUF": (
        "UnetLoaderGGUF",
        "UnetLoaderGGUFAdvanced",
        "CLIPLoaderGGUF",
        "DualCLIPLoaderGGUF",
        "TripleCLIPLoaderGGUF",
    ),
    "ComfyUI_UltimateSDUpscale": ("UltimateSDUpscale", "UltimateSDUpscaleNoUpscale", "UltimateSDUpscaleCustomSample"),
    "comfyui_controlnet_aux": (
        *("CannyEdgePreprocessor", "DWPreprocessor", "OpenposePreprocessor", "LineArtPreprocessor", "TilePreprocessor"),
        *("DepthAnythingPreprocessor", "DepthAnythingV2Preprocessor", "MiDaS-DepthMapPreprocessor", "AIO_Preprocessor"),
        *(
            "Zoe-DepthMapPreprocessor",
            "HEDPreprocessor",
            "PiDiNetPreprocessor",
            "AnimeLineArtPreprocessor",
            "ScribblePreprocessor",
        ),
    ),
    "was-node-suite-comfyui": (
        "Image Save",
        "Image Resize",
        "Text Concatenate",
        "Text Multiline",
        "Number to Int",
        "Seed",
    ),
    "ComfyUI-Inpaint-CropAndStitch": ("InpaintCrop", "InpaintStitch", "InpaintCropImproved", "InpaintStitchImproved"),
    "ComfyUI-segment-anything-2": ("DownloadAndLoadSAM2Model", "Sam2Segmentation"),
    "comfyui_segment_anything": (
        "GroundingDinoModelLoader (segment anything)",
        "GroundingDinoSAMSegment (segment anything)",
    ),
    "ComfyUI_InstantID": ("InstantIDModelLoader", "InstantIDFaceAnalysis", "ApplyInstantID", "ApplyInstantIDAdvanced"),
    "ComfyUI-WD14-Tagger": ("WD14Tagger|pysssss",),
    "ComfyUI-Frame-Interpolation": ("RIFE VFI", "FILM VFI"),
    "ComfyUI-Florence2": ("DownloadAndLoadFlorence2Model", "Florence2Run", "Florence2ModelLoader"),
    "ComfyUI-RMBG": ("RMBG", "BiRefNetRMBG"),
    "ComfyUI-nunchaku": (
        "NunchakuFluxDiTLoader",
        "NunchakuTextEncoderLoader",
        "NunchakuFluxLoraLoader",
        "NunchakuQwenImageDiTLoader",
    ),
    "ComfyUI-TeaCache": ("TeaCache",),
    "ComfyUI-Image-Saver": ("Image Saver",),
    "ComfyUI-SeedVR2_VideoUpscaler": ("SeedVR2", "SeedVR2VideoUpscaler", "SeedVR2LoadDiTModel", "SeedVR2LoadVAEModel"),
}
_BY_START: Mapping[str, str] = {
    "VHS_": "ComfyUI-VideoHelperSuite",
    "IPAdapter": "ComfyUI_IPAdapter_plus",
    "PrepImageForClipVision": "ComfyUI_IPAdapter_plus",
    "ReActor": "ComfyUI-ReActor",
    "ETN_": "comfyui-tooling-nodes",
    "Impact": "ComfyUI-Impact-Pack",
    "ADE_": "ComfyUI-AnimateDiff-Evolved",
    "ACN_": "ComfyUI-Advanced-ControlNet",
    "LayerUtility: ": "ComfyUI_LayerStyle",
    "LayerMask: ": "ComfyUI_LayerStyle",
    "LayerColor: ": "ComfyUI_LayerStyle",
    "LayerFilter: ": "ComfyUI_LayerStyle",
    "easy ": "ComfyUI-Easy-Use",
    "ttN ": "ComfyUI_tinyterraNodes",
    "CR ": "ComfyUI_Comfyroll_CustomNodes",
    "SUPIR_": "ComfyUI-SUPIR",
    "WanVideo": "ComfyUI-WanVideoWrapper",
    "HyVideo": "ComfyUI-HunyuanVideoWrapper",
    "CogVideo": "ComfyUI-CogVideoXWrapper",
    "PulidFlux": "ComfyUI-PuLID-Flux",
    "Florence2": "ComfyUI-Florence2",
    "Nunchaku": "ComfyUI-nunchaku",
    "ComfyUIDeploy": "comfyui-deploy",
    "DF_": "Derfuu_ComfyUI_ModdedNodes",
    "Mikey ": "comfyui-mikey-nodes",
    "FL_": "ComfyUI_Fill-Nodes",
}
_BY_END: Mapping[str, str] = {
    "(rgthree)": "rgthree-comfy",
    "(Efficient)": "efficiency-nodes-comfyui",
    "|pysssss": "ComfyUI-Custom-Scripts",
    "//Inspire": "ComfyUI-Inspire-Pack",
    "[Crystools]": "ComfyUI-Crystools",
    "KJ": "ComfyUI-KJNodes",
    "(mtb)": "comfy-mtb",
    "+": "ComfyUI_essentials",
}
_CLASSES = {name: pack for pack, names in _BY_CLASS.items() for name in names}


def pack_of(class_type: str) -> str:
    """The pack's name as ComfyUI's registry lists its repository; empty where it is not known."""
    if class_type in _CLASSES:
        return _CLASSES[class_type]
    starts = (pack for start, pack in _BY_START.items() if class_type.startswith(start))
    ends = (pack for end, pack in _BY_END.items() if class_type.endswith(end))
    return next(starts, next(ends, ""))
