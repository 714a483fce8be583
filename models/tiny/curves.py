"""Draws the loss curves of the trainers' `curve.csv` files: one small panel each, logarithmic, against steps."""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

WIDTH, HEIGHT, MARGIN_PX = 250, 150, 26


def panel(title: str, steps: list[float], losses: list[float]) -> Image.Image:
    """One curve with its first and last step and its highest and lowest loss written beside it."""
    out = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen = ImageDraw.Draw(out)
    left, top, right, bottom = MARGIN_PX + 12, MARGIN_PX, WIDTH - 8, HEIGHT - MARGIN_PX + 6
    pen.rectangle((left, top, right, bottom), outline=(200, 200, 200))
    height = np.log(losses)
    low, high = height.min(), max(height.max(), height.min() + 1e-6)
    x = left + (np.array(steps) - steps[0]) / max(1, steps[-1] - steps[0]) * (right - left)
    y = bottom - (height - low) / (high - low) * (bottom - top)
    pen.line(list(zip(x.tolist(), y.tolist(), strict=True)), fill=(35, 65, 205), width=2)
    pen.text((left, 6), f"{title}: {int(steps[-1])} steps", fill="black", font_size=12)
    pen.text((2, top - 4), f"{max(losses):.3g}", fill="black", font_size=10)
    pen.text((2, bottom - 8), f"{min(losses):.3g}", fill="black", font_size=10)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trained", type=Path, required=True, help="the folder that holds the trainers' folders")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "curves.png")
    args = parser.parse_args()
    panels = []
    for name in ("decoder", "unet", "control", "lora"):
        rows = np.loadtxt(args.trained / name / "curve.csv", delimiter=",", ndmin=2)
        panels.append(panel(name, rows[:, 0].tolist(), rows[:, 1].tolist()))
    sheet = Image.new("RGB", (WIDTH * len(panels), HEIGHT), "white")
    for n, picture in enumerate(panels):
        sheet.paste(picture, (n * WIDTH, 0))
    sheet.quantize(16, dither=Image.Dither.NONE).save(args.out, optimize=True)
    print(f"{args.out.name}: {args.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
