"""Nodes that pick a sampler and its options, and those that say which noise to start from."""

from __future__ import annotations

from typing import Annotated

from engine.context import Context
from engine.inputs import Choice, Float, Int, Seed
from engine.registry import node
from nodes.choices import SamplerName, UpTo100
from nodes.sampling_values import Noise, Sampler
from nodes.values import Model

CATEGORY = "sampling/custom_sampling/samplers"

Share = Annotated[float, Float(min=0.0, max=1.0, step=0.001)]
UpTo64 = Annotated[float, Float(min=0.0, max=64.0, step=0.01)]
UpTo10 = Annotated[float, Float(min=0.0, max=10.0, step=0.01)]
NoiseDevice = Annotated[str, Choice("gpu", "cpu")]


@node("KSamplerSelect", category=CATEGORY)
def ksampler_select(ctx: Context, *, sampler_name: SamplerName) -> Sampler:
    """A sampler with the options it has by itself."""
    return Sampler(sampler_name)


@node("SamplerEulerAncestral", category=CATEGORY)
def sampler_euler_ancestral(ctx: Context, *, eta: UpTo100 = 1.0, s_noise: UpTo100 = 1.0) -> Sampler:
    """Euler with ancestral noise: ``eta`` 0 adds none, ``s_noise`` scales it."""
    return Sampler("euler_ancestral", {"eta": eta, "s_noise": s_noise})


@node("SamplerEulerAncestralCFGPP", category=CATEGORY, display_name="SamplerEulerAncestralCFG++")
def sampler_euler_ancestral_cfg_pp(
    ctx: Context,
    *,
    eta: Annotated[float, Float(min=0.0, max=1.0, step=0.01, round=False)] = 1.0,
    s_noise: Annotated[float, Float(min=0.0, max=10.0, step=0.01, round=False)] = 1.0,
) -> Sampler:
    """Euler with ancestral noise under CFG++ (https://arxiv.org/abs/2406.08070)."""
    return Sampler("euler_ancestral_cfg_pp", {"eta": eta, "s_noise": s_noise})


@node("SamplerEulerCFGpp", category="_for_testing", display_name="SamplerEulerCFG++")
def sampler_euler_cfg_pp(ctx: Context, *, version: Annotated[str, Choice("regular", "alternative")]) -> Sampler:
    """Euler under CFG++, or with the guidance in the slope alone (``alternative``)."""
    return Sampler("euler_cfg_pp" if version == "regular" else "euler_cfg_pp_alternative")


@node("SamplerLMS", category=CATEGORY)
def sampler_lms(ctx: Context, *, order: Annotated[int, Int(min=1, max=100)] = 4) -> Sampler:
    """Linear multistep from the last ``order`` slopes."""
    return Sampler("lms", {"order": order})


@node("SamplerDPMPP_2S_Ancestral", category=CATEGORY)
def sampler_dpmpp_2s_ancestral(ctx: Context, *, eta: UpTo100 = 1.0, s_noise: UpTo100 = 1.0) -> Sampler:
    """DPM-Solver++(2S) with ancestral noise."""
    return Sampler("dpmpp_2s_ancestral", {"eta": eta, "s_noise": s_noise})


@node("SamplerDPMPP_SDE", category=CATEGORY)
def sampler_dpmpp_sde(
    ctx: Context, *, eta: UpTo100 = 1.0, s_noise: UpTo100 = 1.0, r: UpTo100 = 0.5, noise_device: NoiseDevice
) -> Sampler:
    """DPM-Solver++ for the SDE; ``r``: where in the step the first stage lies."""
    return Sampler(_on("dpmpp_sde", noise_device), {"eta": eta, "s_noise": s_noise, "r": r})


@node("SamplerDPMPP_2M_SDE", category=CATEGORY)
def sampler_dpmpp_2m_sde(
    ctx: Context,
    *,
    solver_type: Annotated[str, Choice("midpoint", "heun")],
    eta: UpTo100 = 1.0,
    s_noise: UpTo100 = 1.0,
    noise_device: NoiseDevice,
) -> Sampler:
    """DPM-Solver++(2M) for the SDE."""
    return Sampler(_on("dpmpp_2m_sde", noise_device), {"eta": eta, "s_noise": s_noise, "solver_type": solver_type})


@node("SamplerDPMPP_3M_SDE", category=CATEGORY)
def sampler_dpmpp_3m_sde(
    ctx: Context, *, eta: UpTo100 = 1.0, s_noise: UpTo100 = 1.0, noise_device: NoiseDevice
) -> Sampler:
    """DPM-Solver++(3M) for the SDE."""
    return Sampler(_on("dpmpp_3m_sde", noise_device), {"eta": eta, "s_noise": s_noise})


@node("SamplerDPMAdaptative", category=CATEGORY)
def sampler_dpm_adaptive(
    ctx: Context,
    *,
    order: Annotated[int, Int(min=2, max=3)] = 3,
    rtol: UpTo100 = 0.05,
    atol: UpTo100 = 0.0078,
    h_init: UpTo100 = 0.05,
    pcoeff: UpTo100 = 0.0,
    icoeff: UpTo100 = 1.0,
    dcoeff: UpTo100 = 0.0,
    accept_safety: UpTo100 = 0.81,
    eta: UpTo100 = 0.0,
    s_noise: UpTo100 = 1.0,
) -> Sampler:
    """DPM-Solver with steps as long as the error bounds ``rtol`` and ``atol`` allow, whatever the schedule's steps."""
    return Sampler(
        "dpm_adaptive",
        {
            "order": order,
            "rtol": rtol,
            "atol": atol,
            "h_init": h_init,
            "pcoeff": pcoeff,
            "icoeff": icoeff,
            "dcoeff": dcoeff,
            "accept_safety": accept_safety,
            "eta": eta,
            "s_noise": s_noise,
        },
    )


@node("SamplerER_SDE", category=CATEGORY)
def sampler_er_sde(
    ctx: Context,
    *,
    solver_type: Annotated[str, Choice("ER-SDE", "Reverse-time SDE", "ODE")],
    max_stage: Annotated[int, Int(min=1, max=3)] = 3,
    eta: Annotated[float, Float(min=0.0, max=10.0, step=0.01, round=False)] = 1.0,
    s_noise: UpTo100 = 1.0,
) -> Sampler:
    """Extended reverse-time SDE solver of order ``max_stage``; ``eta`` 0 leaves the ODE."""
    options = {"solver_type": solver_type, "max_stage": max_stage, "eta": eta, "s_noise": s_noise}
    return Sampler("er_sde", options)


@node("SamplerSASolver", category=CATEGORY)
def sampler_sa_solver(
    ctx: Context,
    *,
    model: Model,
    eta: Annotated[float, Float(min=0.0, max=10.0, step=0.01, round=False)] = 1.0,
    sde_start_percent: Share = 0.2,
    sde_end_percent: Share = 0.8,
    s_noise: UpTo100 = 1.0,
    predictor_order: Annotated[int, Int(min=1, max=6)] = 3,
    corrector_order: Annotated[int, Int(min=0, max=6)] = 4,
    use_pece: bool,
    simple_order_2: bool,
) -> Sampler:
    """Stochastic Adams solver; noise of strength ``eta`` between the two shares (0..1) of progress."""
    return Sampler(
        "sa_solver",
        {
            "eta": eta,
            "sde_start_sigma": model.parameterization.percent_to_sigma(sde_start_percent),
            "sde_end_sigma": model.parameterization.percent_to_sigma(sde_end_percent),
            "s_noise": s_noise,
            "predictor_order": predictor_order,
            "corrector_order": corrector_order,
            "use_pece": use_pece,
            "simple_order_2": simple_order_2,
        },
    )


@node("SamplerSEEDS2", category=CATEGORY)
def sampler_seeds_2(
    ctx: Context,
    *,
    solver_type: Annotated[str, Choice("phi_1", "phi_2")],
    eta: UpTo100 = 1.0,
    s_noise: UpTo100 = 1.0,
    r: Annotated[float, Float(min=0.01, max=1.0, step=0.01, round=False)] = 0.5,
) -> Sampler:
    """SEEDS-2 with its second stage at ``r`` of the step; with ``phi_2`` and ``r`` 1 exponential Heun."""
    return Sampler("seeds_2", {"solver_type": solver_type, "eta": eta, "s_noise": s_noise, "r": r})


@node("SamplerLCM", category=CATEGORY)
def sampler_lcm(
    ctx: Context, *, s_noise: UpTo64 = 1.0, s_noise_end: UpTo64 = 1.0, noise_clip_std: UpTo10 = 0.0
) -> Sampler:
    """LCM whose noise is scaled from ``s_noise`` at the first step to ``s_noise_end`` at the last, and may be clipped.

    ``noise_clip_std``: at how many of its standard deviations; 0 for nowhere.
    """
    return Sampler("lcm", {"s_noise": s_noise, "s_noise_end": s_noise_end, "noise_clip_std": noise_clip_std})


@node("SamplerLCMUpscale", category=CATEGORY)
def sampler_lcm_upscale(
    ctx: Context,
    *,
    scale_ratio: Annotated[float, Float(min=0.1, max=20.0, step=0.01)] = 1.0,
    scale_steps: Annotated[int, Int(min=-1, max=1000, step=1)] = -1,
    upscale_method: Annotated[str, Choice("bislerp", "nearest-exact", "bilinear", "area", "bicubic")],
) -> Sampler:
    """LCM that grows the latent to ``scale_ratio`` times its sides over ``scale_steps`` steps (-1: half of them)."""
    steps = None if scale_steps < 0 else scale_steps
    options = {"total_upscale": scale_ratio, "upscale_steps": steps, "upscale_method": upscale_method}
    return Sampler("lcm_upscale", options)


@node("RandomNoise", category="sampling/custom_sampling/noise")
def random_noise(ctx: Context, *, noise_seed: Seed = 0) -> Noise:
    """The noise of a seed."""
    return Noise(noise_seed)


@node("DisableNoise", category="sampling/custom_sampling/noise")
def disable_noise(ctx: Context) -> Noise:
    """No noise: the latent already has it."""
    return Noise(None)


def _on(name: str, noise_device: str) -> str:
    return name if noise_device == "cpu" else f"{name}_gpu"
