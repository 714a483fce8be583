"""Pictures of more than 8 bits, texts, and what else is read from or written to files without a model."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from engine.context import Context
from engine.encoded import EncodedFile
from engine.types import Image
from nodes import colour_inputs, drawing, lists, media, saving
from nodes.metadata import exr as exr_texts

PIXELS = torch.linspace(-0.25, 1.25, 6 * 5 * 3).reshape(1, 6, 5, 3)


def saved(ctx: Context, pixels: torch.Tensor, **format: str) -> EncodedFile:
    saving.save_image(ctx, images=Image(pixels), format=format)
    made = ctx.shown["images"][-1]
    assert isinstance(made, EncodedFile)
    return made


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_png_of_16_bits_holds_levels_rounded_down(ctx: Context, channels: int) -> None:
    pixels = torch.rand(1, 6, 5, channels, generator=torch.Generator().manual_seed(1)) * 1.4 - 0.2
    made = saved(ctx, pixels, format="png", bit_depth="16-bit", input_color_space="sRGB")
    expected = (pixels[0].clamp(0, 1) * 65535).int()
    if channels == 1:
        assert torch.equal(
            torch.from_numpy(np.asarray(Pillow.open(made.path), dtype=np.int32)).flatten(), expected.flatten()
        )
        return
    read = media.stills.read(made.path, ctx)[0].pixels[0]
    assert torch.equal((read * 65535).round().int(), expected[..., :3])


@pytest.mark.parametrize(
    ("space", "level", "light"),
    [
        ("sRGB", 0.5, 0.2140411),
        ("sRGB", 0.04, 0.0030960),
        ("HDR", 0.75, 0.2649626),
        ("HDR", 0.3, 0.03),
        ("linear", 7, 7),
    ],
)
def test_an_exr_holds_light(ctx: Context, space: str, level: float, light: float) -> None:
    pixels = torch.full((1, 3, 4, 4), float(level))
    pixels[..., 3] = 0.25
    made = saved(ctx, pixels, format="exr", bit_depth="32-bit float", input_color_space=space)
    rgb, alpha = media.deep_stills.read(made.path, "as_stored", 10**6)
    assert rgb.min() == pytest.approx(light, abs=1e-6)
    assert rgb.max() == pytest.approx(light, abs=1e-6)
    assert alpha is not None
    assert alpha.max() == 0.25
    primaries = struct.pack("<8f", *((0.708, 0.292) if space == "HDR" else (0.64, 0.33)), *(0,) * 6)[:8]
    assert b"chromaticities\0chromaticities\0" + struct.pack("<i", 32) + primaries in made.path.read_bytes()


def test_texts_in_an_exr_leave_its_picture_as_it_is(ctx: Context, tmp_path: Path) -> None:
    made = saved(ctx, PIXELS, format="exr", bit_depth="32-bit float", input_color_space="linear")
    exr_texts.embed(made.path, tmp_path / "with.exr", {"prompt": '{"a": "ü"}', "workflow": "w" * 1000})
    before, after = (media.deep_stills.read(path, "as_stored", 10**6)[0] for path in (made.path, tmp_path / "with.exr"))
    assert (before == after).all()
    assert (torch.from_numpy(after) - PIXELS[0]).abs().max() < 1e-7
    value = '{"a": "ü"}'.encode()
    assert b"prompt\0string\0" + struct.pack("<i", len(value)) + value in (tmp_path / "with.exr").read_bytes()


@pytest.mark.parametrize(
    ("format", "text", "written"),
    [
        ("txt", "a\r\nü", "a\r\nü"),
        ("json", '{"b":[1,"ü"]}', '{\n  "b": [\n    1,\n    "ü"\n  ]\n}'),
        ("json", "no json", "no json"),
        ("md", "# t", "# t"),
    ],
)
def test_a_text_is_saved_and_handed_on(ctx: Context, format: str, text: str, written: str) -> None:
    assert saving.save_text(ctx, text=text, format=format) == text
    made = ctx.shown["files"][0]
    assert (made.suffix, made.path.read_bytes().decode()) == (f".{format}", written)
    assert ctx.shown["text"] == [text]


def test_a_painting_lies_over_a_picture_or_a_colour(ctx: Context) -> None:
    painting = Pillow.new("RGBA", (64, 64), (255, 0, 0, 0))
    painting.paste((0, 0, 255, 128), (0, 0, 32, 64))
    painting.save(ctx.folders.input / "p.png")
    image, mask = drawing.paint(ctx, mask="p.png", width=64, height=64, bg_color="#00ff00")
    assert image.pixels[0, 5, 5].tolist() == pytest.approx([0, 1 - 128 / 255, 128 / 255])
    assert image.pixels[0, 5, 40].tolist() == [0, 1, 0]
    assert mask.values[0, 5, [5, 40]].tolist() == pytest.approx([128 / 255, 0])
    over = Image(torch.full((2, 10, 20, 3), 0.5))
    image, mask = drawing.paint(ctx, image=over, mask="p.png")
    assert (image.pixels.shape, mask.values.shape) == ((1, 10, 20, 3), (1, 10, 20))
    assert torch.equal(drawing.paint(ctx, image=over, mask="")[0].pixels, over.pixels[:1])
    assert len(ctx.shown["images"]) == 3


def test_a_curve_is_sorted_and_its_histogram_shown(ctx: Context) -> None:
    curve = {"points": [[1, 1], [0.25, 0.5], [0, 0]], "interpolation": "linear"}
    made = colour_inputs.edit_curve(ctx, curve=curve, histogram=[1, 2])
    assert made == {"points": [[0.0, 0.0], [0.25, 0.5], [1.0, 1.0]], "interpolation": "linear"}
    assert ctx.shown["histogram"] == [1, 2]


def test_a_list_has_the_values_of_lists_one_by_one(ctx: Context) -> None:
    assert lists.create(ctx, inputs={"input0": ["a", "b"], "input1": ["c"]}) == ["a", "b", "c"]
