"""What WanAnimateToVideo makes of clips that are short, long, masked, or continue a film."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch

from engine.context import Context
from engine.errors import InputInvalid
from engine.types import Image, Mask
from nodes import builtin_registry
from nodes.families.found import families
from nodes.families.wan.nodes import animate
from nodes.families.wan.spaces import SPACE
from nodes.values import Cond, Conditioning, Vae

REGISTRY = builtin_registry()
PROMPT = Conditioning((Cond(torch.zeros(1, 3, 8)),))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The node with a VAE whose latents show the red of each step's first frame."""

    def encoded(ctx: Context, vae: Vae, pixels: torch.Tensor) -> torch.Tensor:
        red = pixels[::4, ::8, ::8, 0]
        return red[None, None].expand(-1, 16, -1, -1, -1).clone()

    monkeypatch.setattr(animate.diffusion.film_frames, "encoded", encoded)
    vae = Vae(cast(Any, None), families()["wan"].vaes[0], SPACE)
    usual = {"positive": PROMPT, "negative": PROMPT, "vae": vae, "width": 32, "height": 16, "length": 9}
    return lambda **inputs: REGISTRY["WanAnimateToVideo"].run(cast(Context, None), **{**usual, **inputs})


def clip(frames: int, first: float = 0.0) -> Image:
    return Image((first + torch.arange(float(frames)) / 100)[:, None, None, None].expand(-1, 16, 32, 3))


def test_the_reference_is_a_step_before_the_film(made: Any) -> None:
    found = made(reference_image=clip(1, 0.9))
    entry = found.positive.entries[0]
    assert found.latent.samples.shape == (1, 16, 4, 2, 4) and found.trim_latent == 1 and found.trim_image == 0
    assert entry.concat_latent[0, 0, :, 0, 0].tolist() == pytest.approx([0.9, 0.5, 0.5, 0.5])
    assert entry.concat_mask[0, :, :, 0, 0].sum(dim=0).tolist() == [0, 4, 4, 4]
    assert found.video_frame_offset == 9 and "pose_video_latent" not in entry.extra


def test_a_short_pose_stands_still_at_its_end_and_faces_are_seen_by_the_prompt_alone(made: Any) -> None:
    found = made(pose_video=clip(3), face_video=clip(4, 0.5))
    positive, negative = (each.entries[0].extra for each in (found.positive, found.negative))
    assert positive["pose_video_latent"][0, 0, :, 0, 0].tolist() == pytest.approx([0.0, 0.02, 0.02])
    faces = positive["face_video_pixels"]
    assert faces.shape == (1, 3, 4, 512, 512) and faces[0, 0, :, 0, 0].tolist() == pytest.approx(
        [0.0, 0.02, 0.04, 0.06]
    )
    assert bool((negative["face_video_pixels"] == -1).all())


def test_a_film_goes_on_where_it_was(made: Any) -> None:
    found = made(continue_motion=clip(20), background_video=clip(30, 0.6), video_frame_offset=9)
    entry = found.positive.entries[0]
    # The last five frames come first; clips begin as many frames earlier.
    assert entry.concat_latent[0, 0, :, 0, 0].tolist() == pytest.approx([0.0, 0.15, 0.19, 0.72])
    assert entry.concat_mask[0, 0, :, 0, 0].tolist() == [0, 0, 0, 1]
    assert found.trim_image == 5 and found.video_frame_offset == 13


def test_only_the_character_is_drawn_over_the_background(made: Any) -> None:
    mask = torch.zeros(1, 16, 32)
    mask[:, :, 16:] = 1
    found = made(background_video=clip(9), character_mask=Mask(mask))
    drawn = found.positive.entries[0].concat_mask
    # Of the last step only one frame is the film's own.
    assert not drawn[:, :, 1:3, :, :2].any() and not drawn[:, 0, 3, :, :2].any() and bool(drawn[:, :, 1:, :, 2:].all())


def test_clips_that_are_over_are_left_out_and_those_without_frames_refused(made: Any) -> None:
    found = made(pose_video=clip(5), face_video=clip(5), video_frame_offset=5)
    assert not found.positive.entries[0].extra
    with pytest.raises(InputInvalid, match="no frame") as caught:
        made(pose_video=clip(0))
    assert caught.value.input == "pose_video"
