"""A pack of the V3 kind."""

import torch
from comfy_api.latest import ComfyExtension, io, ui


class Graded(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="Schema Graded",
            display_name="Graded",
            category="schema",
            description="Multiplies.",
            inputs=[
                io.Image.Input("image"),
                io.Float.Input("gain", default=1.0, min=0.0, max=4.0, step=0.1, tooltip="how much"),
                io.Combo.Input("mode", options=["all", "red"], default="all"),
                io.DynamicCombo.Input(
                    "limit",
                    options=[
                        io.DynamicCombo.Option("none", []),
                        io.DynamicCombo.Option("clip", [io.Float.Input("top", default=1.0)]),
                    ],
                ),
                io.Mask.Input("mask", optional=True),
            ],
            outputs=[io.Image.Output(display_name="graded"), io.String.Output("told")],
            hidden=[io.Hidden.unique_id, io.Hidden.auth_token_comfy_org],
            search_aliases=["brighten"],
        )

    @classmethod
    def validate_inputs(cls, gain):
        return True if gain < 4 else "too bright"

    @classmethod
    def execute(cls, image, gain, mode, limit, mask=None):
        made = image * gain
        if limit["limit"] == "clip":
            made = made.clamp(max=limit["top"])
        return io.NodeOutput(made, f"{mode} {cls.hidden.unique_id}")


class Joined(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        template = io.Autogrow.TemplatePrefix(io.Image.Input("image"), prefix="image", min=1)
        return io.Schema(
            node_id="Schema Joined",
            inputs=[io.Autogrow.Input("images", template=template)],
            outputs=[io.Image.Output()],
        )

    @classmethod
    async def execute(cls, images):
        return io.NodeOutput(torch.cat(list(images.values())))


class Seen(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="Schema Seen", inputs=[io.Image.Input("image")], outputs=[], is_output_node=True)

    @classmethod
    def execute(cls, image):
        return io.NodeOutput(ui=ui.PreviewImage(image, cls=cls))


class Extension(ComfyExtension):
    async def get_node_list(self):
        return [Graded, Joined, Seen]


async def comfy_entrypoint():
    return Extension()
