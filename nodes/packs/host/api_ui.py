"""``comfy_api.latest.ui``: what V3 classes show."""

from __future__ import annotations

from typing import Any

from nodes.packs.host import core_nodes
from nodes.packs.missing import missing


class _Shown:
    """Something to show."""

    def __init__(self, **kinds: Any) -> None:
        self.kinds = kinds

    def as_dict(self) -> dict[str, Any]:
        """By kind."""
        return self.kinds


class PreviewImage(_Shown):
    """Pictures in the temp folder."""

    def __init__(self, image: Any, animated: bool = False, cls: Any = None, **_: Any) -> None:
        super().__init__(**core_nodes.PreviewImage().save_images(image)["ui"])


class PreviewMask(PreviewImage):
    """Masks in the temp folder, as grey pictures."""

    def __init__(self, mask: Any, animated: bool = False, cls: Any = None, **_: Any) -> None:
        super().__init__(mask.reshape(-1, 1, *mask.shape[-2:]).movedim(1, -1).expand(-1, -1, -1, 3))


class PreviewText(_Shown):
    """A text."""

    def __init__(self, value: Any, **_: Any) -> None:
        super().__init__(text=[str(value)])


class SavedImages(_Shown):
    """Files that are there."""

    def __init__(self, results: Any, is_animated: bool = False) -> None:
        files = [dict(one) for one in results]
        super().__init__(images=files, **({"animated": [True]} if is_animated else {}))


class SavedResult(dict[str, Any]):
    """One file that is there."""

    def __init__(self, filename: str, subfolder: str = "", type: Any = "output") -> None:
        super().__init__(filename=filename, subfolder=subfolder, type=str(getattr(type, "value", type)))


class ImageSaveHelper:
    """Writes pictures."""

    @staticmethod
    def get_save_images_ui(images: Any, filename_prefix: str = "ComfyUI", cls: Any = None, **_: Any) -> SavedImages:
        """Write them into the output folder."""
        hidden = getattr(cls, "hidden", None)
        shown = core_nodes.SaveImage().save_images(
            images, filename_prefix, getattr(hidden, "prompt", None), getattr(hidden, "extra_pnginfo", None)
        )
        return SavedImages(shown["ui"]["images"])


def __getattr__(name: str) -> Any:
    return missing("comfy_api.latest.ui", name)
