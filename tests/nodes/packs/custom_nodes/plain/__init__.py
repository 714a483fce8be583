"""A pack as people write them: classes with INPUT_TYPES, over ComfyUI's modules."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import comfy.ldm.modules.attention
import comfy.model_management as mm
import comfy.samplers
import comfy.sd
import comfy.utils
import folder_paths
import nodes
import torch
from comfy.ldm.modules.attention import SpatialTransformer
from comfy_execution.graph_utils import ExecutionBlocker, GraphBuilder
from nodes import MAX_RESOLUTION, SaveImage, common_ksampler
from server import PromptServer

from .more import Doubled


@PromptServer.instance.routes.get("/plain/hello")
async def hello(request):
    return None


WAITING = []
# As many packs do: what they are told when they are imported, they keep.
OUTPUT_AT_IMPORT = folder_paths.get_output_directory()


class Transformer(SpatialTransformer):
    """Imported, derived from and named: never called."""


class AnyType(str):
    def __ne__(self, other):
        return False


ANY = AnyType("*")


class AnyInputs(dict):
    def __contains__(self, key):
        return True

    def __getitem__(self, key):
        return (ANY,)


class Invert:
    @classmethod
    def INPUT_TYPES(s):
        return {
            "required": {
                "image": ("IMAGE",),
                "factor": ("FLOAT", {"default": 1.0, "min": 0.0, "max": 1.0, "step": 0.01}),
                "size": ("INT", {"default": 64, "min": 1, "max": MAX_RESOLUTION}),
                "mode": (["plain", "in place"],),
                "count": ([1, 2, 4], {"default": 2}),
            },
            "optional": {"mask": ("MASK",), "note": ("STRING", {"multiline": True, "default": "unused"})},
            "hidden": {"unique_id": "UNIQUE_ID", "token": "AUTH_TOKEN_COMFY_ORG"},
        }

    RETURN_TYPES = ("IMAGE", "STRING", "INT")
    RETURN_NAMES = ("inverted", "told", "number")
    FUNCTION = "run"
    CATEGORY = "plain"
    DESCRIPTION = "Inverts."

    def run(self, image, factor, size, mode, count, mask=None, note="not given", unique_id=None, token=None):
        if mode == "in place":
            image.mul_(-1).add_(1)
        else:
            image = 1 - image
        progress = comfy.utils.ProgressBar(2)
        progress.update(1)
        progress.update(1)
        mm.throw_exception_if_processing_interrupted()
        told = f"{note} {unique_id} {mask is None} {mm.get_torch_device()} {count}"
        return (image * factor, told, torch.tensor(size))


class Sampled:
    @classmethod
    def INPUT_TYPES(s):
        return {
            "required": {
                "model": ("MODEL",),
                "clip": ("CLIP",),
                "vae": ("VAE",),
                "text": ("STRING", {"default": ""}),
                "seed": ("INT", {"default": 0, "min": 0, "max": 0xFFFFFFFFFFFFFFFF}),
                "sampler_name": (comfy.samplers.KSampler.SAMPLERS,),
                "scheduler": (comfy.samplers.KSampler.SCHEDULERS,),
            }
        }

    RETURN_TYPES = ("LATENT", "IMAGE", "CONDITIONING", "LATENT")
    FUNCTION = "run"
    CATEGORY = "plain"

    def run(self, model, clip, vae, text, seed, sampler_name, scheduler):
        cond, pooled = clip.encode_from_tokens(clip.tokenize(text), return_pooled=True)
        positive = [[cond, {"pooled_output": pooled}]]
        negative = nodes.CLIPTextEncode().encode(clip, "blurry")[0]
        negative = nodes.ConditioningSetTimestepRange().set_range(negative, 0.0, 1.0)[0]
        latent = {"samples": torch.zeros([1, 4, 8, 8])}
        made = common_ksampler(model, seed, 2, 5.0, sampler_name, scheduler, positive, negative, latent)[0]
        image = vae.decode(made["samples"])
        again = nodes.VAEEncode().encode(vae, image)[0]
        return (made, image, positive, again)


class Kept(SaveImage):
    def __init__(self):
        super().__init__()
        self.output_dir = folder_paths.get_output_directory()
        self.prefix_append = "_kept"


class Shown:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"text": ("STRING", {"forceInput": True})}}

    RETURN_TYPES = ("STRING",)
    OUTPUT_NODE = True
    FUNCTION = "run"
    CATEGORY = "plain"

    def run(self, text):
        return {"ui": {"text": [text]}, "result": (text.upper(),)}


class Expanded:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"image": ("IMAGE",)}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"
    CATEGORY = "plain"

    def run(self, image):
        graph = GraphBuilder()
        inverted = graph.node("ImageInvert", image=image)
        twice = graph.node("ImageInvert", image=inverted.out(0))
        return {"result": (twice.out(0),), "expand": graph.finalize()}


class Lazy:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"first": ("BOOLEAN", {"default": True}), "a": ("*", {"lazy": True}), "b": ("*", {"lazy": True})}}

    RETURN_TYPES = (ANY,)
    FUNCTION = "run"
    CATEGORY = "plain"

    def check_lazy_status(self, first, a=None, b=None):
        return ["a"] if first else ["b"]

    def run(self, first, a=None, b=None):
        return (a if first else b,)


class Blocker:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"value": (ANY,), "open": ("BOOLEAN", {"default": False})}}

    RETURN_TYPES = (ANY,)
    FUNCTION = "run"
    CATEGORY = "plain"

    def run(self, value, open):
        return (value if open else ExecutionBlocker("closed"),)


class Listed:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"texts": ("STRING", {"forceInput": True})}}

    INPUT_IS_LIST = True
    OUTPUT_IS_LIST = (True,)
    RETURN_TYPES = ("STRING",)
    FUNCTION = "run"
    CATEGORY = "plain"

    def run(self, texts):
        return ([*texts, "last"],)


class Many:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {}, "optional": AnyInputs()}

    RETURN_TYPES = ("STRING",)
    FUNCTION = "run"
    CATEGORY = "plain"

    def run(self, **given):
        return (",".join(f"{name}={value['on'] if isinstance(value, dict) else value}" for name, value in sorted(given.items())),)


class File:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"name": (["none"] + folder_paths.get_filename_list("loras"),)}}

    RETURN_TYPES = ("STRING",)
    FUNCTION = "run"
    CATEGORY = "plain"

    def run(self, name):
        path = folder_paths.get_full_path("loras", name)
        return (f"{len(comfy.utils.load_torch_file(path))} tensors" if path else "no file",)


class Counted:
    calls = 0

    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"name": ("STRING", {"default": ""})}}

    @classmethod
    def IS_CHANGED(s, name):
        return os.path.getmtime(name) if os.path.exists(name) else float("nan")

    @classmethod
    def VALIDATE_INPUTS(s, name):
        return "a name is needed" if not name else True

    RETURN_TYPES = ("INT",)
    FUNCTION = "run"
    CATEGORY = "plain"

    def run(self, name):
        Counted.calls += 1
        return (Counted.calls,)


class Short:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {}}

    RETURN_TYPES = ("INT", "INT")
    FUNCTION = "run"
    CATEGORY = "plain"

    def run(self):
        return (1,)


class Inside:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {}}

    RETURN_TYPES = ("INT",)
    FUNCTION = "run"
    CATEGORY = "plain"

    def run(self):
        return (comfy.ldm.modules.attention.optimized_attention(1, 2, 3),)


class Waits:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"text": ("STRING", {"default": "x"})}}

    RETURN_TYPES = ("STRING",)
    FUNCTION = "run"
    CATEGORY = "plain"

    async def run(self, text):
        WAITING.append(text)
        while len(WAITING) < 2 and text != "alone":  # for the other one
            await asyncio.sleep(0.01)
        return (text * 2 + folder_paths.get_output_directory(),)


class Threads:
    """Asks for the output folder at import, in its function and in a thread of its own."""

    @classmethod
    def INPUT_TYPES(s):
        return {"required": {}}

    RETURN_TYPES = ("STRING", "STRING", "STRING")
    FUNCTION = "run"
    CATEGORY = "plain"

    def run(self):
        with ThreadPoolExecutor(1) as pool:
            apart = pool.submit(folder_paths.get_output_directory).result()
        return (OUTPUT_AT_IMPORT, folder_paths.get_output_directory(), apart)


class Listing:
    @classmethod
    def INPUT_TYPES(s):
        files = sorted(f for f in os.listdir(folder_paths.get_input_directory()) if f.endswith(".png"))
        return {"required": {"image": (["none", *files],)}}

    RETURN_TYPES = ("STRING",)
    FUNCTION = "run"
    CATEGORY = "plain"

    def run(self, image):
        return (folder_paths.get_annotated_filepath(image),)


class Lora:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"model": ("MODEL",), "name": (folder_paths.get_filename_list("loras"),)}}

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "run"
    CATEGORY = "plain"

    def run(self, model, name):
        lora = comfy.utils.load_torch_file(folder_paths.get_full_path_or_raise("loras", name), safe_load=True)
        return (comfy.sd.load_lora_for_models(model, None, lora, 0.8, 0.0)[0],)


class Unreadable:
    @classmethod
    def INPUT_TYPES(s):
        raise RuntimeError("no file to list")

    FUNCTION = "run"


class Judged:
    """Checks its inputs itself, also what is linked to them, and takes any number of further ones."""

    @classmethod
    def INPUT_TYPES(s):
        return {
            "required": {"first": ("FLOAT", {"min": 0.0, "max": 1.0})},
            "optional": {"second": ("IMAGE",), "loud": ("BOOL", {"default": False})},
        }

    RETURN_TYPES = ("STRING",)
    FUNCTION = "run"

    @classmethod
    def VALIDATE_INPUTS(cls, input_types, **kwargs):
        if kwargs.get("first") == 7.0:
            return "no sevens"
        wrong = {name: kind for name, kind in input_types.items() if kind not in ("INT", "FLOAT")}
        return f"not numbers: {wrong}" if wrong else True

    def run(self, first, second=None, loud=False, **more):
        told = f"{first} {second} {sorted(more.items())}"
        return (told.upper() if loud else told,)


NODE_CLASS_MAPPINGS = {
    "Plain Judged": Judged,
    "Plain Invert": Invert,
    "Plain Sampled": Sampled,
    "Plain Kept": Kept,
    "Plain Shown": Shown,
    "Plain Expanded": Expanded,
    "Plain Lazy": Lazy,
    "Plain Blocker": Blocker,
    "Plain Listed": Listed,
    "Plain Many": Many,
    "Plain File": File,
    "Plain Counted": Counted,
    "Plain Short": Short,
    "Plain Inside": Inside,
    "Plain Waits": Waits,
    "Plain Doubled": Doubled,
    "Plain Threads": Threads,
    "Plain Listing": Listing,
    "Plain Lora": Lora,
    "Plain Unreadable": Unreadable,
    "SaveImage": Kept,
}
NODE_DISPLAY_NAME_MAPPINGS = {"Plain Invert": "Invert (plain)"}
