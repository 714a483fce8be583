"""Bytes that nodes take for what they make, by their inputs: asked for before a node runs, and by ``check``.

Each function takes a node's inputs by their names, those that it does not need among them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from engine.types import Audio, Image, Mask
from nodes.latent_space import PIXELS_PER_LATENT, LatentSpace
from nodes.values import Latent, UpscaleModel, Vae

FLOAT_BYTES = 4
_RGB = 3
_MEGAPIXEL = 1024 * 1024
_STEREO = 2
PNG_SHARE = 1 / 2 / FLOAT_BYTES  # of a picture in memory: about half a byte for a level


def shape_of(image: Image) -> tuple[int, int, int, int]:
    """Pictures, height, width and channels; a film that lies in its file is not read for it."""
    film = getattr(image, "film", None)
    if film is not None:
        width, height = film.size
        return film.count, height, width, film.channels
    count, height, width, channels = image.pixels.shape
    return count, height, width, channels


def empty_latent(channels: int) -> Any:
    """Of a latent of ``channels`` channels for pictures of this size."""

    def size(*, width: int = 512, height: int = 512, batch_size: int = 1, **_: object) -> int:
        cells = (width // PIXELS_PER_LATENT) * (height // PIXELS_PER_LATENT)
        return batch_size * channels * cells * FLOAT_BYTES

    return size


def empty_film(channels: int, frames: int = 4, side: int = PIXELS_PER_LATENT) -> Any:
    """Of a latent of ``channels`` channels for a film of this size, whose cells stand for ``frames`` and ``side``."""

    def size(*, width: int = 512, height: int = 512, length: int = 1, batch_size: int = 1, **_: object) -> int:
        cells = (width // side) * (height // side) * ((length - 1) // frames + 1)
        return batch_size * channels * cells * FLOAT_BYTES

    return size


def empty_latent_in(space: LatentSpace) -> Any:
    """Of a latent of that space for pictures of this size."""

    def size(*, width: int, height: int, batch_size: int = 1, **_: object) -> int:
        return math.prod(space.shape(width, height, batch=batch_size)) * FLOAT_BYTES

    return size


def empty_sound(channels: int, cells_a_second: float) -> Any:
    """Of a latent of ``channels`` numbers a cell for so many seconds of sound."""

    def size(*, seconds: float = 0.0, batch_size: int = 1, **_: object) -> int:
        return round(seconds * cells_a_second + 1) * channels * batch_size * FLOAT_BYTES

    return size


def decoded_sound(*, samples: Latent, vae: Vae, **_: object) -> int:
    """Of the sound that a latent stands for, in stereo, twice."""
    cells = samples.parts[-1].samples.shape
    return 2 * cells[0] * cells[-1] * vae.space.factors[2] * _STEREO * FLOAT_BYTES


def empty_audio(*, duration: float = 60.0, sample_rate: int = 44100, channels: int = 2, **_: object) -> int:
    """Of so many seconds."""
    return max(0, round(duration * sample_rate)) * channels * FLOAT_BYTES


def empty_image(*, width: int = 512, height: int = 512, batch_size: int = 1, **_: object) -> int:
    """Of pictures of this size."""
    return batch_size * height * width * _RGB * FLOAT_BYTES


def empty_mask(*, width: int = 512, height: int = 512, **_: object) -> int:
    """Of a mask of this size."""
    return width * height * FLOAT_BYTES


def repeated_image(*, image: Image, amount: int = 1, **_: object) -> int:
    """Of a batch, so many times over."""
    return math.prod(shape_of(image)) * FLOAT_BYTES * amount


def repeated_latent(*, samples: Latent, amount: int = 1, **_: object) -> int:
    """Of a batch of latents, so many times over."""
    return math.prod(samples.samples.shape) * FLOAT_BYTES * amount


def image_of_size(*, image: Image, width: int = 512, height: int = 512, **_: object) -> int:
    """Of the batch at this size, which is made plane by plane and put together; 0 keeps a side's proportion."""
    count, own_height, own_width, channels = shape_of(image)
    if not width and not height:
        return 0
    width = width or round(own_width * height / own_height)
    height = height or round(own_height * width / own_width)
    return 2 * count * height * width * channels * FLOAT_BYTES


def framed_image(*, image: Image, target_width: int = 512, target_height: int = 512, **_: object) -> int:
    """Of the batch in a frame of this size."""
    return image_of_size(image=image, width=target_width, height=target_height)


def scaled_image(*, image: Image, scale_by: float = 1.0, **_: object) -> int:
    """Of the batch with both sides times ``scale_by``."""
    return int(2 * math.prod(shape_of(image)) * scale_by**2 * FLOAT_BYTES)


def fitted_image(*, image: Image, largest_size: int = 512, **_: object) -> int:
    """Of the batch with its longer side of ``largest_size``."""
    longer = max(shape_of(image)[1:3])
    return scaled_image(image=image, scale_by=largest_size / longer)


def images_by_longer(*, images: Image, longer_edge: int = 1024, **_: object) -> int:
    """Of the batch with its longer side of so many pixels."""
    return scaled_image(image=images, scale_by=longer_edge / max(shape_of(images)[1:3]))


def images_by_shorter(*, images: Image, shorter_edge: int = 512, **_: object) -> int:
    """Of the batch with its shorter side of so many pixels."""
    return scaled_image(image=images, scale_by=shorter_edge / min(shape_of(images)[1:3]))


def padded_image(*, image: Image, left: int = 0, top: int = 0, right: int = 0, bottom: int = 0, **_: object) -> int:
    """Of the batch with so many pixels more on each side."""
    count, height, width, channels = shape_of(image)
    return int(count * (height + top + bottom) * (width + left + right) * (channels + 1) * FLOAT_BYTES)


def enlarged_image(*, image: Image, upscale_model: UpscaleModel, **_: object) -> int:
    """Of the batch times a network's scale: all of it, one picture with its weights, and the batch put together."""
    one = math.prod(shape_of(image)[1:]) * upscale_model.scale**2 * FLOAT_BYTES
    return 2 * one * (shape_of(image)[0] + 1)


def upscaled_latent(*, samples: Latent, width: int = 512, height: int = 512, **_: object) -> int:
    """Of the latents for pictures of this size; 0 keeps a side's proportion."""
    own_height, own_width = samples.samples.shape[-2:]
    if not width and not height:
        return 0
    width = width or round(own_width * height / own_height)
    height = height or round(own_height * width / own_width)
    ahead = math.prod(samples.samples.shape[:-2])
    return 2 * ahead * (width // PIXELS_PER_LATENT) * (height // PIXELS_PER_LATENT) * FLOAT_BYTES


def scaled_latent(*, samples: Latent, scale_by: float = 1.5, **_: object) -> int:
    """Of the latents with both sides times ``scale_by``."""
    return int(2 * math.prod(samples.samples.shape) * scale_by**2 * FLOAT_BYTES)


def decoded(*, samples: Latent, vae: Vae, **_: object) -> int:
    """Of the pictures that the latents stand for: the decoder's planes, and those turned into pictures."""
    cells = math.prod(samples.samples.shape) // samples.samples.shape[1]
    return 2 * cells * math.prod(vae.space.factors) * _RGB * FLOAT_BYTES


def frames_as_levels(*, images: Image, **_: object) -> int:
    """Of all pictures of a batch as they are encoded together."""
    return 2 * math.prod(shape_of(images))


def cropped_images(*, images: Image, width: int = 1024, height: int = 1024, **_: object) -> int:
    """Of the batch, each picture cut out by itself to this size, and put together."""
    return 2 * shape_of(images)[0] * height * width * 3 * FLOAT_BYTES


def image_of_megapixels(*, image: Image, megapixels: float = 1.0, resolution_steps: int = 1, **_: object) -> int:
    """Of the batch with so many megapixels each, whose sides are rounded to multiples of ``resolution_steps``."""
    count, height, width, channels = shape_of(image)
    factor = math.sqrt(megapixels * _MEGAPIXEL / (width * height))
    rows, columns = (max(round(side * factor / resolution_steps), 1) * resolution_steps for side in (height, width))
    return 2 * count * rows * columns * channels * FLOAT_BYTES


def detected_image(*, image: Image, preprocessor: str = "none", resolution: int = 512, **_: object) -> int:
    """Of the batch in RGB with its shorter side of ``resolution``, before and after the preprocessor."""
    if preprocessor == "none":
        return 0
    count, height, width, _channels = shape_of(image)
    return int(2 * count * height * width * (resolution / min(height, width)) ** 2 * _RGB * FLOAT_BYTES)


def joined_images(*batches: Image | None) -> int:
    """Of all batches at the first one's size, in one."""
    shapes = [shape_of(image) for image in batches if image is not None]
    count, channels = sum(shape[0] for shape in shapes), max(shape[3] for shape in shapes)
    return count * shapes[0][1] * shapes[0][2] * channels * FLOAT_BYTES


def two_images(*, image1: Image, image2: Image | None = None, **_: object) -> int:
    """Of two batches in one."""
    return joined_images(image1, image2)


def many_images(*, images: Mapping[str, Image], **_: object) -> int:
    """Of all batches in one."""
    return joined_images(*images.values())


def many_masks(*, masks: Mapping[str, Mask], **_: object) -> int:
    """Of all masks in one batch, at the first one's size."""
    shapes = [mask.values.shape for mask in masks.values()]
    return sum(shape[0] for shape in shapes) * math.prod(shapes[0][1:]) * FLOAT_BYTES


def stitched_images(
    *,
    image1: Image,
    direction: str = "right",
    match_image_size: bool = True,
    spacing_width: int = 0,
    image2: Image | None = None,
    **_: object,
) -> int:
    """Of two pictures side by side, and of both as they are made alike before."""
    if image2 is None:
        return 0
    first, second = shape_of(image1), shape_of(image2)
    along, across = (2, 1) if direction in ("left", "right") else (1, 2)
    scale = first[across] / second[across] if match_image_size else 1.0
    wide = first[across] if match_image_size else max(first[across], second[across])
    long = first[along] + second[along] * scale + spacing_width + 1
    return int(2 * max(first[0], second[0]) * wide * long * max(first[3], second[3]) * FLOAT_BYTES)


def image_with_alpha(*, image: Image, alpha: Mask, **_: object) -> int:
    """Of the larger batch with four channels, and of the masks at the picture's size."""
    count, height, width, _channels = shape_of(image)
    return 2 * max(count, len(alpha.values)) * height * width * (_RGB + 1) * FLOAT_BYTES


def batched_latents(*, samples1: Latent, samples2: Latent, **_: object) -> int:
    """Of both batches, the second at the size of the first."""
    first, second = samples1.samples.shape, samples2.samples.shape
    return (first[0] + 2 * second[0]) * math.prod(first[1:]) * FLOAT_BYTES


def joined_latents(*, samples1: Latent, samples2: Latent, **_: object) -> int:
    """Of both side by side; the smaller batch is repeated."""
    first, second = samples1.samples.shape, samples2.samples.shape
    return 2 * max(first[0], second[0]) * (math.prod(first[1:]) + math.prod(second[1:])) * FLOAT_BYTES


def two_channels(*, audio_left: Audio | None = None, audio_right: Audio | None = None, **_: object) -> int:
    """Of two sounds of one channel as one in stereo."""
    return two_sounds(audio1=audio_left, audio2=audio_right)


def two_sounds(*, audio1: Audio | None = None, audio2: Audio | None = None, **_: object) -> int:
    """Of two sounds in stereo at the higher rate: each, and what becomes of them."""
    sounds = [sound for sound in (audio1, audio2) if sound is not None]
    rate_hz = max((sound.sample_rate_hz for sound in sounds), default=0)
    samples = [sound.waveform.shape[0] * sound.waveform.shape[-1] * rate_hz / sound.sample_rate_hz for sound in sounds]
    return int(2 * sum(samples) * _STEREO * FLOAT_BYTES)
