"""Another file of the pack, which asks for the host's modules too."""

from nodes import LoadImage  # noqa: F401 - as packs do


class Doubled:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"latent": ("LATENT",)}}

    RETURN_TYPES = ("LATENT",)
    FUNCTION = "run"
    CATEGORY = "plain"

    def run(self, latent):
        made = latent.copy()
        made["samples"] = latent["samples"] * 2
        return (made,)
