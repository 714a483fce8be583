"""Draws the contact sheet: prompts with their pictures, control, style, inpainting and upscaling below."""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from spandrel import ModelLoader

from models.tiny.load import Picture, open_control, open_family
from models.tiny.sample import denoiser, noise_of, sample
from models.tiny.scenes import SIZE_PX, Scene, Thing, edges, render

PROMPTS = (
    "a red circle on a blue background",
    "a yellow star on a purple background",
    "a pink heart on a black background",
    "a green triangle on a white background",
    "a large blue square on an orange background",
    "a small black cross on a cyan background",
    "a red circle left of a green square on a white background",
    "a yellow star above a blue square on a black background",
    "a green cross below a red heart on a pink background",
    "a white circle right of a red triangle on a green background",
    "two yellow hearts on a red background",
    "three white stars on a blue background",
)
ROW, LABEL_PX = 6, 38


def tile(picture: Picture, label: str) -> Image.Image:
    """A picture at 128 pixels with two lines of text below."""
    out = Image.new("RGB", (SIZE_PX + 4, SIZE_PX + LABEL_PX + 4), "white")
    out.paste(Image.fromarray(picture).resize((SIZE_PX, SIZE_PX)), (2, 2))
    words, lines = label.split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) > 24:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    ImageDraw.Draw(out).multiline_text((3, SIZE_PX + 3), "\n".join(lines), fill="black", font_size=10, spacing=1)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vocabulary", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=Path(__file__).parent / "weights")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "contact_sheet.png")
    args = parser.parse_args()
    family = open_family(args.weights, args.vocabulary)
    noise = noise_of(list(range(1, len(PROMPTS) + 1)))
    tiles = [
        tile(p, t)
        for p, t in zip(family.decode(sample(denoiser(family, list(PROMPTS), 4.0), noise)), PROMPTS, strict=True)
    ]
    if (args.weights / "controlnet" / "tiny_canny.safetensors").exists():
        scene = Scene("yellow", (Thing("blue", "star", 42, 84, 34),))
        hint = torch.from_numpy(edges(scene)).permute(2, 0, 1)[None].float() / 255
        control = open_control(args.weights, family.unet)
        clean = denoiser(family, ["a blue star on a yellow background"], 4.0, control, hint)
        picture = family.decode(sample(clean, noise[:1]))[0]
        tiles += [tile(edges(scene), "edges for the ControlNet"), tile(picture, "a blue star on a yellow background")]
    if (args.weights / "loras" / "tiny_style.safetensors").exists():
        style = open_family(args.weights, args.vocabulary, lora=1.0)
        got = style.decode(sample(denoiser(style, [PROMPTS[0], PROMPTS[6]], 4.0), noise[[0, 6]]))
        tiles += [tile(got[0], "style LoRA: " + PROMPTS[0]), tile(got[1], "style LoRA: two things")]
    start = render(Scene("black", (Thing("yellow", "star", 34, 64, 21), Thing("blue", "square", 94, 64, 21))))
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., 8:] = 1
    clean = denoiser(family, ["a yellow star left of a red heart on a black background"], 4.0)
    got = family.decode(sample(clean, noise[:1], kept=(family.encode(start[None]), mask)))
    tiles.append(tile(got[0], "inpainted: blue square to red heart"))
    upscaler = args.weights / "upscale_models" / "tiny_upscale_x2.safetensors"
    if upscaler.exists():
        model = ModelLoader().load_from_file(upscaler)
        low = torch.from_numpy(got).permute(0, 3, 1, 2).float() / 255
        with torch.no_grad():
            high = model.model.float()(low)[0].clamp(0, 1).permute(1, 2, 0).numpy()
        tiles.append(tile((high * 255).round().astype(np.uint8)[64:192, 128:256], "upscaled x2, the middle right"))
    width, height = tiles[0].size
    sheet = Image.new("RGB", (ROW * width, -(-len(tiles) // ROW) * height), "white")
    for n, picture in enumerate(tiles):
        sheet.paste(picture, (n % ROW * width, n // ROW * height))
    sheet.quantize(128).save(args.out, optimize=True)
    print(f"{args.out.name}: {args.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
