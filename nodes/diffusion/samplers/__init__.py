"""Samplers by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from torch import Tensor

from nodes.diffusion.samplers.consistency import sample_ddpm, sample_lcm, sample_lcm_upscale
from nodes.diffusion.samplers.dpm2 import sample_dpm_2, sample_dpm_2_ancestral
from nodes.diffusion.samplers.dpm_solver import sample_dpm_adaptive, sample_dpm_fast
from nodes.diffusion.samplers.dpmpp import (
    sample_dpmpp_2m,
    sample_dpmpp_2m_cfg_pp,
    sample_dpmpp_2s_ancestral,
    sample_dpmpp_2s_ancestral_cfg_pp,
)
from nodes.diffusion.samplers.dpmpp_sde import (
    sample_dpmpp_2m_sde,
    sample_dpmpp_2m_sde_heun,
    sample_dpmpp_3m_sde,
    sample_dpmpp_sde,
)
from nodes.diffusion.samplers.er_sde import sample_er_sde
from nodes.diffusion.samplers.euler import (
    sample_euler,
    sample_euler_ancestral,
    sample_euler_ancestral_cfg_pp,
    sample_euler_cfg_pp,
    sample_euler_cfg_pp_alternative,
)
from nodes.diffusion.samplers.gradient_estimation import sample_gradient_estimation, sample_gradient_estimation_cfg_pp
from nodes.diffusion.samplers.heun import sample_heun, sample_heunpp2
from nodes.diffusion.samplers.multistep import sample_deis, sample_ipndm, sample_ipndm_v, sample_lms
from nodes.diffusion.samplers.res_multistep import (
    sample_res_multistep,
    sample_res_multistep_ancestral,
    sample_res_multistep_ancestral_cfg_pp,
    sample_res_multistep_cfg_pp,
)
from nodes.diffusion.samplers.sa_solver import sample_sa_solver, sample_sa_solver_pece
from nodes.diffusion.samplers.seeds import (
    sample_exp_heun_2_x0,
    sample_exp_heun_2_x0_sde,
    sample_seeds_2,
    sample_seeds_3,
)
from nodes.diffusion.samplers.uni_pc import LOWEST_SIGMA, sample_uni_pc, sample_uni_pc_bh2

SampleFunction = Callable[..., Tensor]
"""(denoise, x, sigmas, *, callback=None, **options): takes ``x`` from noise level ``sigmas[0]`` to ``sigmas[-1]``.

``x``: float32[batch, channels, height, width]; ``sigmas``: float32[steps + 1] from high to low, where fewer than two
change nothing; ``options``: the function's own keyword arguments.
"""

SAMPLERS: Mapping[str, SampleFunction] = {
    "euler": sample_euler,
    "euler_cfg_pp": sample_euler_cfg_pp,
    "euler_cfg_pp_alternative": sample_euler_cfg_pp_alternative,
    "euler_ancestral": sample_euler_ancestral,
    "euler_ancestral_cfg_pp": sample_euler_ancestral_cfg_pp,
    "heun": sample_heun,
    "heunpp2": sample_heunpp2,
    "exp_heun_2_x0": sample_exp_heun_2_x0,
    "exp_heun_2_x0_sde": sample_exp_heun_2_x0_sde,
    "dpm_2": sample_dpm_2,
    "dpm_2_ancestral": sample_dpm_2_ancestral,
    "lms": sample_lms,
    "dpm_fast": sample_dpm_fast,
    "dpm_adaptive": sample_dpm_adaptive,
    "dpmpp_2s_ancestral": sample_dpmpp_2s_ancestral,
    "dpmpp_2s_ancestral_cfg_pp": sample_dpmpp_2s_ancestral_cfg_pp,
    "dpmpp_sde": sample_dpmpp_sde,
    "dpmpp_sde_gpu": partial(sample_dpmpp_sde, noise_on_gpu=True),
    "dpmpp_2m": sample_dpmpp_2m,
    "dpmpp_2m_cfg_pp": sample_dpmpp_2m_cfg_pp,
    "dpmpp_2m_sde": sample_dpmpp_2m_sde,
    "dpmpp_2m_sde_gpu": partial(sample_dpmpp_2m_sde, noise_on_gpu=True),
    "dpmpp_2m_sde_heun": sample_dpmpp_2m_sde_heun,
    "dpmpp_2m_sde_heun_gpu": partial(sample_dpmpp_2m_sde_heun, noise_on_gpu=True),
    "dpmpp_3m_sde": sample_dpmpp_3m_sde,
    "dpmpp_3m_sde_gpu": partial(sample_dpmpp_3m_sde, noise_on_gpu=True),
    "ddpm": sample_ddpm,
    "lcm": sample_lcm,
    "lcm_upscale": sample_lcm_upscale,
    "ipndm": sample_ipndm,
    "ipndm_v": sample_ipndm_v,
    "deis": sample_deis,
    "res_multistep": sample_res_multistep,
    "res_multistep_cfg_pp": sample_res_multistep_cfg_pp,
    "res_multistep_ancestral": sample_res_multistep_ancestral,
    "res_multistep_ancestral_cfg_pp": sample_res_multistep_ancestral_cfg_pp,
    "gradient_estimation": sample_gradient_estimation,
    "gradient_estimation_cfg_pp": sample_gradient_estimation_cfg_pp,
    "er_sde": sample_er_sde,
    "seeds_2": sample_seeds_2,
    "seeds_3": sample_seeds_3,
    "sa_solver": sample_sa_solver,
    "sa_solver_pece": sample_sa_solver_pece,
    "ddim": sample_euler,
    "uni_pc": sample_uni_pc,
    "uni_pc_bh2": sample_uni_pc_bh2,
}


def last_level(name: str, sigmas: Tensor) -> Tensor:
    """The level that sampler ``name`` ends at: the last of ``sigmas``, but for those that stop short of zero."""
    stops_short = name in ("uni_pc", "uni_pc_bh2")
    return sigmas[-1].clamp(min=LOWEST_SIGMA) if stops_short and sigmas[-1] == 0 else sigmas[-1]
