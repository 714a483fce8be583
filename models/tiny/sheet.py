"""Draws the contact sheet through the engine: prompts with their pictures; control, style, inpainting and upscaling."""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from models.tiny.drawing import HERE, WEIGHTS, Desk, Picture
from models.tiny.measures import right_half
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
SEED = 1  # of every picture: none is picked by hand
ROW, LABEL_PX, COLOURS = 6, 38, 64


def tile(picture: Picture, label: str) -> Image.Image:
    """A picture at 128 pixels with its words below."""
    out = Image.new("RGB", (SIZE_PX + 4, SIZE_PX + LABEL_PX + 4), "white")
    out.paste(Image.fromarray(picture).resize((SIZE_PX, SIZE_PX)), (2, 2))
    lines = [""]
    for word in label.split():
        if len(lines[-1]) + len(word) > 24:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    ImageDraw.Draw(out).multiline_text((3, SIZE_PX + 3), "\n".join(lines), fill="black", font_size=10, spacing=1)
    return out


def edited(desk: Desk) -> list[tuple[Picture, str]]:
    """What the ControlNet, the LoRA, a mask and the upscaler do."""
    hint = edges(Scene("yellow", (Thing("blue", "star", 42, 84, 34),)))
    blue_star = "a blue star on a yellow background"
    followed = desk.draw(
        "controlnet",
        {
            "Positive.text": blue_star,
            "Control picture.image": desk.put("hint", hint),
            "Apply ControlNet.image": ["4", 0],
            "Sampler.seed": SEED,
        },
    )
    outlined = [desk.draw("lora", {"Positive.text": text, "Sampler.seed": SEED}) for text in PROMPTS[1:3]]
    start = render(Scene("black", (Thing("yellow", "star", 34, 64, 21), Thing("blue", "square", 94, 64, 21))))
    painted = desk.draw(
        "inpaint",
        {
            "Positive.text": "a yellow star left of a red heart on a black background",
            "Picture.image": desk.put("start", start),
            "Mask.image": desk.put("mask", right_half()),
            "Sampler.seed": SEED,
        },
    )
    large = desk.draw("upscale", {"Picture.image": desk.put("painted", painted)})
    return [
        (hint, "edges for the ControlNet"),
        (followed, blue_star),
        (outlined[0], f"style LoRA: {PROMPTS[1]}"),
        (painted, "inpainted: a blue square became a red heart"),
        (np.ascontiguousarray(large[64:192, 128:]), "its middle right, upscaled x2"),
        (outlined[1], f"style LoRA: {PROMPTS[2]}"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--out", type=Path, default=HERE / "contact_sheet.png")
    args = parser.parse_args()
    with Desk(args.weights) as desk:
        tiles = [tile(desk.tell(text, SEED), text) for text in PROMPTS]
        tiles += [tile(picture, label) for picture, label in edited(desk)]
    width, height = tiles[0].size
    sheet = Image.new("RGB", (ROW * width, -(-len(tiles) // ROW) * height), "white")
    for n, picture in enumerate(tiles):
        sheet.paste(picture, (n % ROW * width, n // ROW * height))
    sheet.quantize(COLOURS, dither=Image.Dither.NONE).save(args.out, optimize=True)
    print(f"{args.out.name}: {args.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
