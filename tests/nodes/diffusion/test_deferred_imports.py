"""What a first picture imports, and that what is left out of it is there once it is asked for."""

from __future__ import annotations

import subprocess
import sys

NOT_FOR_A_PICTURE = ("torch._dynamo", "transformers", "diffusers.loaders", "scipy", "peft")


def run(code: str) -> str:
    """What a process of its own prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_picture_of_the_embedded_family_imports_nothing_heavy_but_torch() -> None:
    modules = "nodes.diffusion.unet_module, nodes.diffusion.vae_module, nodes.diffusion.text.clip_model"
    modules += ", nodes.diffusion.sampling, nodes.diffusion.schedules, nodes.families.sd.denoiser"
    assert run(f"import sys, {modules}\nprint([m for m in {NOT_FOR_A_PICTURE!r} if m in sys.modules])") == "[]"


def test_names_of_a_package_whose_top_has_not_run_are_there() -> None:
    code = """
import nodes.diffusion.unet_module, sys
import diffusers.models.transformers as package
print("diffusers.models.transformers.transformer_flux" in sys.modules)
from diffusers.models.transformers import FluxTransformer2DModel
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel as same
from diffusers.hooks import FirstBlockCacheConfig
print(FluxTransformer2DModel is same, package.Transformer2DModel.__name__, hasattr(package, "NoSuchModel"))
"""
    assert run(code).split() == ["False", "True", "Transformer2DModel", "False"]


def test_two_threads_that_ask_for_names_get_whole_packages() -> None:
    code = """
import nodes.diffusion.unet_module
import diffusers.models.transformers as package
from concurrent.futures import ThreadPoolExecutor
names = ["FluxTransformer2DModel", "WanTransformer3DModel", "SD3Transformer2DModel", "Transformer2DModel"] * 2
with ThreadPoolExecutor(8) as pool:
    print([made.__name__ for made in pool.map(lambda name: getattr(package, name), names)] == names)
"""
    assert run(code) == "True"


def test_torch_compiles_what_was_imported_without_its_compiler() -> None:
    code = """
import nodes.diffusion.unet_module, sys, torch
assert "torch._dynamo" not in sys.modules
from diffusers.models.attention import BasicTransformerBlock
block = BasicTransformerBlock(32, 2, 16).eval()
x = torch.randn(1, 4, 32)
print(torch.allclose(torch.compile(block, backend="eager")(x), block(x), atol=1e-6))
"""
    assert run(code) == "True"


def test_transformers_is_found_by_everybody_else() -> None:
    assert run("import nodes.diffusion.unet_module\nfrom transformers import T5Config\nprint(T5Config.__name__)") == (
        "T5Config"
    )
