"""Samplers by name, and where each one's function is: the only list of them. Declaring them imports none."""

from __future__ import annotations

from collections.abc import Mapping

SAMPLERS: Mapping[str, str] = {
    "euler": "euler:sample_euler",
    "euler_cfg_pp": "euler:sample_euler_cfg_pp",
    "euler_ancestral": "euler:sample_euler_ancestral",
    "euler_ancestral_cfg_pp": "euler:sample_euler_ancestral_cfg_pp",
    "heun": "heun:sample_heun",
    "heunpp2": "heun:sample_heunpp2",
    "exp_heun_2_x0": "seeds:sample_exp_heun_2_x0",
    "exp_heun_2_x0_sde": "seeds:sample_exp_heun_2_x0_sde",
    "dpm_2": "dpm2:sample_dpm_2",
    "dpm_2_ancestral": "dpm2:sample_dpm_2_ancestral",
    "lms": "multistep:sample_lms",
    "dpm_fast": "dpm_solver:sample_dpm_fast",
    "dpm_adaptive": "dpm_solver:sample_dpm_adaptive",
    "dpmpp_2s_ancestral": "dpmpp:sample_dpmpp_2s_ancestral",
    "dpmpp_2s_ancestral_cfg_pp": "dpmpp:sample_dpmpp_2s_ancestral_cfg_pp",
    "dpmpp_sde": "dpmpp_sde:sample_dpmpp_sde",
    "dpmpp_sde_gpu": "dpmpp_sde:sample_dpmpp_sde",
    "dpmpp_2m": "dpmpp:sample_dpmpp_2m",
    "dpmpp_2m_cfg_pp": "dpmpp:sample_dpmpp_2m_cfg_pp",
    "dpmpp_2m_sde": "dpmpp_sde:sample_dpmpp_2m_sde",
    "dpmpp_2m_sde_gpu": "dpmpp_sde:sample_dpmpp_2m_sde",
    "dpmpp_2m_sde_heun": "dpmpp_sde:sample_dpmpp_2m_sde_heun",
    "dpmpp_2m_sde_heun_gpu": "dpmpp_sde:sample_dpmpp_2m_sde_heun",
    "dpmpp_3m_sde": "dpmpp_sde:sample_dpmpp_3m_sde",
    "dpmpp_3m_sde_gpu": "dpmpp_sde:sample_dpmpp_3m_sde",
    "ddpm": "consistency:sample_ddpm",
    "lcm": "consistency:sample_lcm",
    "ipndm": "multistep:sample_ipndm",
    "ipndm_v": "multistep:sample_ipndm_v",
    "deis": "multistep:sample_deis",
    "res_multistep": "res_multistep:sample_res_multistep",
    "res_multistep_cfg_pp": "res_multistep:sample_res_multistep_cfg_pp",
    "res_multistep_ancestral": "res_multistep:sample_res_multistep_ancestral",
    "res_multistep_ancestral_cfg_pp": "res_multistep:sample_res_multistep_ancestral_cfg_pp",
    "gradient_estimation": "gradient_estimation:sample_gradient_estimation",
    "gradient_estimation_cfg_pp": "gradient_estimation:sample_gradient_estimation_cfg_pp",
    "er_sde": "er_sde:sample_er_sde",
    "seeds_2": "seeds:sample_seeds_2",
    "seeds_3": "seeds:sample_seeds_3",
    "sa_solver": "sa_solver:sample_sa_solver",
    "sa_solver_pece": "sa_solver:sample_sa_solver_pece",
    "ddim": "euler:sample_euler",
    "uni_pc": "uni_pc:sample_uni_pc",
    "uni_pc_bh2": "uni_pc:sample_uni_pc_bh2",
}
"""Module of ``nodes.diffusion.samplers`` and function, in ComfyUI's order. With ``_gpu``, noise is drawn on the GPU."""

BEHIND_NODES: Mapping[str, str] = {
    "euler_cfg_pp_alternative": "euler:sample_euler_cfg_pp_alternative",
    "lcm_upscale": "consistency:sample_lcm_upscale",
}
"""Those that a node class has for itself, which no list offers."""
