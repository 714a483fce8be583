"""Inputs that several node files share: samplers, schedulers, numbers with a meaning. Names in ComfyUI's order."""

from __future__ import annotations

from typing import Annotated

from engine.inputs import Choice, Float, Int

SAMPLER_NAMES = (
    "euler",
    "euler_cfg_pp",
    "euler_ancestral",
    "euler_ancestral_cfg_pp",
    "heun",
    "heunpp2",
    "exp_heun_2_x0",
    "exp_heun_2_x0_sde",
    "dpm_2",
    "dpm_2_ancestral",
    "lms",
    "dpm_fast",
    "dpm_adaptive",
    "dpmpp_2s_ancestral",
    "dpmpp_2s_ancestral_cfg_pp",
    "dpmpp_sde",
    "dpmpp_sde_gpu",
    "dpmpp_2m",
    "dpmpp_2m_cfg_pp",
    "dpmpp_2m_sde",
    "dpmpp_2m_sde_gpu",
    "dpmpp_2m_sde_heun",
    "dpmpp_2m_sde_heun_gpu",
    "dpmpp_3m_sde",
    "dpmpp_3m_sde_gpu",
    "ddpm",
    "lcm",
    "ipndm",
    "ipndm_v",
    "deis",
    "res_multistep",
    "res_multistep_cfg_pp",
    "res_multistep_ancestral",
    "res_multistep_ancestral_cfg_pp",
    "gradient_estimation",
    "gradient_estimation_cfg_pp",
    "er_sde",
    "seeds_2",
    "seeds_3",
    "sa_solver",
    "sa_solver_pece",
    "ddim",
    "uni_pc",
    "uni_pc_bh2",
)
SCHEDULER_NAMES = (
    "simple",
    "sgm_uniform",
    "karras",
    "exponential",
    "ddim_uniform",
    "beta",
    "normal",
    "linear_quadratic",
    "kl_optimal",
)

SamplerName = Annotated[str, Choice(*SAMPLER_NAMES)]
SchedulerName = Annotated[str, Choice(*SCHEDULER_NAMES)]
Steps = Annotated[int, Int(min=1, max=10000)]
Cfg = Annotated[float, Float(min=0.0, max=100.0, step=0.1, round=0.01)]
Denoise = Annotated[float, Float(min=0.0, max=1.0, step=0.01)]
Strength = Annotated[float, Float(min=0.0, max=10.0, step=0.01)]
Progress = Annotated[float, Float(min=0.0, max=1.0, step=0.001)]
UpTo100 = Annotated[float, Float(min=0.0, max=100.0, step=0.01, round=False)]
