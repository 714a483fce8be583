"""``comfy.k_diffusion.utils``: what packs read there."""

from __future__ import annotations


class FolderOfImages:
    """A folder of pictures."""

    IMG_EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"})
