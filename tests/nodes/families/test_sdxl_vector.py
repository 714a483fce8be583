"""The vector that SDXL's networks get beside the prompt: sizes, crops, scores."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from engine.errors import InputInvalid
from nodes.families.sdxl.vector import vector
from nodes.values import Cond


class TestVector:
    entry = Cond(torch.zeros(1, 7, 48), torch.arange(4.0).reshape(1, 4))

    def test_sdxl_embeds_height_before_width(self) -> None:
        made = vector(self.entry, refines=False, width_px=64, height_px=128, negative=False)
        size = {"width": 64, "height": 128, "crop_w": 0, "crop_h": 0, "target_width": 64, "target_height": 128}
        given = vector(replace(self.entry, size=size), refines=False, width_px=1, height_px=1, negative=True)
        assert made.shape == (1, 4 + 6 * 256)
        assert torch.equal(made, given)
        first, second = made[0, 4:260], made[0, 260:516]
        frequencies = torch.exp(-torch.log(torch.tensor(10000.0)) * torch.arange(128) / 128)
        assert torch.allclose(first[:128], torch.cos(128 * frequencies), atol=1e-4)
        assert torch.allclose(second[128:], torch.sin(64 * frequencies), atol=1e-4)

    def test_target_size_defaults_to_the_given_size(self) -> None:
        entry = replace(self.entry, size={"width": 512, "height": 256})
        full = replace(self.entry, size={"width": 512, "height": 256, "target_width": 512, "target_height": 256})
        vectors = [vector(e, refines=False, width_px=8, height_px=8, negative=False) for e in (entry, full)]
        assert torch.equal(vectors[0], vectors[1])

    def test_the_refiners_score_depends_on_the_prompt(self) -> None:
        def of(negative: bool, **size: float) -> Tensor:
            entry = replace(self.entry, size=size)
            return vector(entry, refines=True, width_px=64, height_px=64, negative=negative)

        assert of(False).shape == (1, 4 + 5 * 256)
        assert torch.equal(of(False), of(True, aesthetic_score=6.0))
        assert torch.equal(of(True), of(False, aesthetic_score=2.5))

    def test_a_prompt_of_another_family(self) -> None:
        with pytest.raises(InputInvalid, match="no pooled part"):
            vector(replace(self.entry, pooled=None), refines=False, width_px=8, height_px=8, negative=False)
