"""The service's documents. Generated from its OpenAPI document by `python -m client.generate_models`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, RootModel


class ControlParameters(BaseModel):
    """
    A picture that guides the drawing, through a ControlNet.
    """

    model_config = ConfigDict(
        extra='forbid',
    )
    image: Annotated[
        str,
        Field(
            description='Base64, a data URL, or an http(s) URL.',
            min_length=1,
            title='Image',
        ),
    ]
    type: Annotated[
        Literal['openpose', 'depth', 'scribble', 'canny', 'lineart', 'mlsd', 'normal', 'segment', 'tile', 'repaint'] | None,
        Field(description='What the picture shows.', title='Type'),
    ] = 'canny'
    model: Annotated[
        str | None,
        Field(
            description='A file of `controlnet`; by the type if left out.',
            title='Model',
        ),
    ] = None
    mode: Annotated[
        Literal['openpose', 'depth', 'scribble', 'canny', 'lineart', 'mlsd', 'normal', 'segment', 'tile', 'repaint'] | None,
        Field(description='Of a union ControlNet; the type if left out.', title='Mode'),
    ] = None
    preprocess: Annotated[
        Literal['none', 'canny', 'color', 'scribble', 'tile', 'depth', 'hed', 'lineart', 'mlsd', 'normal', 'openpose', 'pidinet'] | None,
        Field(
            description='Make it of a photo. `canny`, `color`, `scribble` and `tile` work at once; the others need the extra `preprocess` and files in `annotators`.',
            title='Preprocess',
        ),
    ] = 'none'
    low_threshold: Annotated[
        float | None,
        Field(
            description='Of `canny`: weaker edges are left out.',
            ge=0.01,
            le=0.99,
            title='Low Threshold',
        ),
    ] = 0.05
    high_threshold: Annotated[
        float | None,
        Field(
            description='Of `canny`: stronger ones always count.',
            ge=0.01,
            le=0.99,
            title='High Threshold',
        ),
    ] = 0.1
    strength: Annotated[float | None, Field(ge=0.0, le=10.0, title='Strength')] = 1.0
    start: Annotated[
        float | None,
        Field(
            description='Where in the sampling it begins to count, 0 to 1.',
            ge=0.0,
            le=1.0,
            title='Start',
        ),
    ] = 0.0
    end: Annotated[
        float | None, Field(description='Where it stops.', ge=0.0, le=1.0, title='End')
    ] = 1.0


class DeepCacheParameters(BaseModel):
    """
    DeepCache: the UNet's inner blocks run at some noise levels only. Faster, a little less exact.
    """

    model_config = ConfigDict(
        extra='forbid',
    )
    interval: Annotated[
        int | None,
        Field(
            description='They run at every so many levels.',
            ge=1,
            le=1000,
            title='Interval',
        ),
    ] = 3
    depth: Annotated[
        int | None,
        Field(description='Outer blocks that run always.', ge=0, le=12, title='Depth'),
    ] = 3
    start_step: Annotated[
        int | None,
        Field(
            description='Before it, all blocks run.', ge=0, le=1000, title='Start Step'
        ),
    ] = 0
    end_step: Annotated[
        int | None,
        Field(description='After it, all blocks run.', ge=0, le=1000, title='End Step'),
    ] = 1000


class DeliveryDocument(BaseModel):
    """
    A webhook message. `dead` messages were given up; they can be sent again.
    """

    id: Annotated[str, Field(examples=['msg_2f6d0b7c9a1e4d38'], title='Id')]
    job_id: Annotated[str, Field(title='Job Id')]
    event: Annotated[str, Field(examples=['completed'], title='Event')]
    url: Annotated[str, Field(title='Url')]
    state: Annotated[
        str, Field(examples=['pending', 'delivered', 'dead'], title='State')
    ]
    attempts: Annotated[int, Field(title='Attempts')]
    created_at: Annotated[AwareDatetime, Field(title='Created At')]
    next_at: Annotated[
        AwareDatetime | None,
        Field(
            description='When it is sent next, while it is pending.', title='Next At'
        ),
    ] = None
    last_status: Annotated[
        int | None,
        Field(description="The receiver's last HTTP status.", title='Last Status'),
    ] = None
    last_error: Annotated[str | None, Field(title='Last Error')] = None


class DeliveryList(BaseModel):
    """
    Messages, newest first.
    """

    webhooks: Annotated[list[DeliveryDocument], Field(title='Webhooks')]


class EventDocument(BaseModel):
    """
    Something that happened to a job. `number` counts within the job, `position` over all jobs, both without gaps.
    """

    number: Annotated[int, Field(title='Number')]
    position: Annotated[int, Field(title='Position')]
    job_id: Annotated[str, Field(title='Job Id')]
    time: Annotated[AwareDatetime, Field(title='Time')]
    kind: Annotated[
        Literal['queued', 'started', 'run_started', 'node_started', 'node_progress', 'node_finished', 'node_blocked', 'node_note', 'requeued', 'cancel_requested', 'completed', 'failed', 'cancelled'],
        Field(title='Kind'),
    ]
    data: Annotated[
        dict[str, Any],
        Field(
            description='queued {priority}; started {attempt, worker}; run_started {steps, cached}; node_started {node_id, class_type, display_id}; node_progress {node_id, value, total}; node_finished {node_id, class_type, display_id, shown, cached, seconds}; node_blocked {node_id, class_type, display_id, message}; node_note {node_id, class_type, message}; requeued {attempt, reason}; cancel_requested {}; completed {seconds}; failed {error}; cancelled {}',
            title='Data',
        ),
    ]


class ExampleGraph(BaseModel):
    """
    An example workflow.
    """

    name: Annotated[str, Field(examples=['text_to_image'], title='Name')]
    description: Annotated[
        str, Field(examples=['a prompt becomes a picture'], title='Description')
    ]
    runs: Annotated[
        bool,
        Field(
            description='Whether all model files that it names are here.', title='Runs'
        ),
    ]


class ExampleSubmission(BaseModel):
    """
    What `POST /v1/jobs` takes.
    """

    workflow: Annotated[
        dict[str, Any], Field(description='In API form.', title='Workflow')
    ]
    files: Annotated[
        dict[str, str],
        Field(description='The pictures that it reads, as data URLs.', title='Files'),
    ]


class IdempotencyKey(RootModel[str]):
    root: Annotated[
        str,
        Field(
            description='A second request with this key gives the job of the first one.',
            max_length=200,
            min_length=1,
            pattern='^[\\x20-\\x7e]+$',
            title='Idempotency Key',
        ),
    ]


class TimeLimitS(RootModel[float]):
    root: Annotated[
        float,
        Field(
            description="Up to the service's own limit.", gt=0.0, title='Time Limit S'
        ),
    ]


class MaxAttempts(RootModel[int]):
    root: Annotated[
        int,
        Field(
            description='Starts before it fails, if workers die.',
            ge=1,
            title='Max Attempts',
        ),
    ]


class Width(RootModel[int]):
    root: Annotated[
        int,
        Field(
            description="In pixels. The picture's, or the model's own, if left out.",
            ge=16,
            le=8192,
            multiple_of=8,
            title='Width',
        ),
    ]


class Height(RootModel[int]):
    root: Annotated[int, Field(ge=16, le=8192, multiple_of=8, title='Height')]


class Seed(RootModel[int]):
    root: Annotated[
        int,
        Field(
            description='Chosen at random if left out; the job says which it is.',
            ge=0,
            le=18446744073709552000,
            title='Seed',
        ),
    ]


class ClipSkip(RootModel[int]):
    root: Annotated[
        int,
        Field(
            description="1 reads the text encoder's last layer, 2 the one before.",
            ge=1,
            le=24,
            title='Clip Skip',
        ),
    ]


class Image(RootModel[str]):
    root: Annotated[
        str,
        Field(
            description='Base64, a data URL, or an http(s) URL.',
            min_length=1,
            title='Image',
        ),
    ]


class Mask(RootModel[str]):
    root: Annotated[
        str,
        Field(
            description='Base64, a data URL, or an http(s) URL.',
            min_length=1,
            title='Mask',
        ),
    ]


class Strength(RootModel[float]):
    root: Annotated[
        float,
        Field(
            description='How much of `image` changes: 0.75 if left out, 1 with a mask.',
            ge=0.0,
            le=1.0,
            title='Strength',
        ),
    ]


class Health(BaseModel):
    """
    The web process answers.
    """

    status: Annotated[str | None, Field(title='Status')] = 'ok'


class Steps(RootModel[int]):
    root: Annotated[
        int, Field(description='As many as `steps`.', ge=1, le=1000, title='Steps')
    ]


class HiresParameters(BaseModel):
    """
    Sampling once more at a larger size, from the picture that was sampled first.
    """

    model_config = ConfigDict(
        extra='forbid',
    )
    scale: Annotated[
        float | None,
        Field(description='How much larger.', gt=1.0, le=4.0, title='Scale'),
    ] = 2.0
    strength: Annotated[
        float | None,
        Field(
            description='How much of the picture changes.',
            ge=0.0,
            le=1.0,
            title='Strength',
        ),
    ] = 0.5
    steps: Annotated[
        Steps | None, Field(description='As many as `steps`.', title='Steps')
    ] = None
    method: Annotated[
        Literal['nearest-exact', 'bilinear', 'area', 'bicubic', 'bislerp'] | None,
        Field(title='Method'),
    ] = 'bislerp'


class KeyDocument(BaseModel):
    """
    A key without its secret text, of which only a hash is kept.
    """

    id: Annotated[str, Field(title='Id')]
    name: Annotated[str, Field(title='Name')]
    scopes: Annotated[list[str], Field(title='Scopes')]
    rate_limit: Annotated[str | None, Field(title='Rate Limit')] = None
    max_priority: Annotated[int | None, Field(title='Max Priority')] = None
    max_queued: Annotated[int | None, Field(title='Max Queued')] = None
    max_running: Annotated[int | None, Field(title='Max Running')] = None
    created_at: Annotated[AwareDatetime, Field(title='Created At')]
    revoked_at: Annotated[AwareDatetime | None, Field(title='Revoked At')] = None


class KeyList(BaseModel):
    """
    All keys, oldest first.
    """

    keys: Annotated[list[KeyDocument], Field(title='Keys')]


class RateLimit(RootModel[str]):
    root: Annotated[
        str, Field(examples=['60/minute'], max_length=60, title='Rate Limit')
    ]


class MaxPriority(RootModel[int]):
    root: Annotated[
        int,
        Field(
            description='The highest that its jobs may have.',
            ge=-1000,
            le=1000,
            title='Max Priority',
        ),
    ]


class MaxQueued(RootModel[int]):
    root: Annotated[
        int,
        Field(
            description='How many of its jobs may wait.',
            ge=1,
            le=1000000,
            title='Max Queued',
        ),
    ]


class MaxRunning(RootModel[int]):
    root: Annotated[
        int,
        Field(
            description='How many of its jobs may run at a time.',
            ge=1,
            le=1000000,
            title='Max Running',
        ),
    ]


class KeyRequest(BaseModel):
    """
    A key to be made.
    """

    model_config = ConfigDict(
        extra='forbid',
    )
    name: Annotated[
        str,
        Field(
            examples=['the web shop'],
            max_length=200,
            min_length=1,
            pattern='^[^\\x00-\\x1f\\x7f]+$',
            title='Name',
        ),
    ]
    scopes: Annotated[
        list[Literal['submit', 'read', 'admin']] | None,
        Field(min_length=1, title='Scopes'),
    ] = ['submit', 'read']
    rate_limit: Annotated[
        RateLimit | None, Field(examples=['60/minute'], title='Rate Limit')
    ] = None
    max_priority: Annotated[
        MaxPriority | None,
        Field(description='The highest that its jobs may have.', title='Max Priority'),
    ] = None
    max_queued: Annotated[
        MaxQueued | None,
        Field(description='How many of its jobs may wait.', title='Max Queued'),
    ] = None
    max_running: Annotated[
        MaxRunning | None,
        Field(
            description='How many of its jobs may run at a time.', title='Max Running'
        ),
    ] = None


class ClipStrength(RootModel[float]):
    root: Annotated[
        float,
        Field(
            description='The same as `strength` if left out.',
            ge=-100.0,
            le=100.0,
            title='Clip Strength',
        ),
    ]


class LoraParameters(BaseModel):
    """
    A LoRA that changes model and text encoder.
    """

    model_config = ConfigDict(
        extra='forbid',
    )
    name: Annotated[
        str,
        Field(
            description='A file of `loras`.',
            examples=['style.safetensors'],
            title='Name',
        ),
    ]
    strength: Annotated[float | None, Field(ge=-100.0, le=100.0, title='Strength')] = (
        1.0
    )
    clip_strength: Annotated[
        ClipStrength | None,
        Field(description='The same as `strength` if left out.', title='Clip Strength'),
    ] = None


class ModelEntry(BaseModel):
    """
    A model file.
    """

    name: Annotated[str, Field(examples=['sd_xl_base_1.0.safetensors'], title='Name')]
    size_bytes: Annotated[int, Field(title='Size Bytes')]
    default: Annotated[
        bool | None,
        Field(
            description='Whether pictures are drawn with it where no model is named.',
            title='Default',
        ),
    ] = False


class ModelFile(BaseModel):
    """
    A model file that the workflow reads.
    """

    kind: Annotated[str, Field(examples=['checkpoints'], title='Kind')]
    name: Annotated[str, Field(examples=['sd_xl_base_1.0.safetensors'], title='Name')]
    size_bytes: Annotated[int, Field(title='Size Bytes')]


class NewKey(BaseModel):
    """
    A key that was just made.
    """

    id: Annotated[str, Field(title='Id')]
    name: Annotated[str, Field(title='Name')]
    scopes: Annotated[list[str], Field(title='Scopes')]
    rate_limit: Annotated[str | None, Field(title='Rate Limit')] = None
    max_priority: Annotated[int | None, Field(title='Max Priority')] = None
    max_queued: Annotated[int | None, Field(title='Max Queued')] = None
    max_running: Annotated[int | None, Field(title='Max Running')] = None
    created_at: Annotated[AwareDatetime, Field(title='Created At')]
    revoked_at: Annotated[AwareDatetime | None, Field(title='Revoked At')] = None
    key: Annotated[
        str,
        Field(
            description='The secret text. It cannot be shown again.',
            examples=['dgf_Zk3...'],
            title='Key',
        ),
    ]


class NodeClass(BaseModel):
    """
    A node class as ComfyUI's `/object_info` describes it.
    """

    model_config = ConfigDict(
        extra='allow',
    )
    name: Annotated[str, Field(title='Name')]
    display_name: Annotated[str, Field(title='Display Name')]
    description: Annotated[str, Field(title='Description')]
    category: Annotated[str, Field(title='Category')]
    output_node: Annotated[bool, Field(title='Output Node')]
    input: Annotated[
        dict[str, dict[str, Any]],
        Field(
            description='By group (required, optional, hidden): [type, options].',
            title='Input',
        ),
    ]
    output: Annotated[list[str], Field(description='Types.', title='Output')]
    output_name: Annotated[list[str], Field(title='Output Name')]


class OutputDocument(BaseModel):
    """
    One thing that an output node made: a file (`url`, perhaps `base64`), or a `value` such as a text.

    A value above 64 KiB is a file too: text, or JSON.
    """

    name: Annotated[
        str,
        Field(
            description='Unique within the job.',
            examples=['9_images_0.png'],
            title='Name',
        ),
    ]
    node_id: Annotated[str, Field(title='Node Id')]
    class_type: Annotated[str, Field(title='Class Type')]
    kind: Annotated[
        str,
        Field(
            description="What ComfyUI's clients call it: images, audio, text ...",
            examples=['images'],
            title='Kind',
        ),
    ]
    cached: Annotated[
        bool,
        Field(
            description="Whether the node's result came from the cache.", title='Cached'
        ),
    ]
    media_type: Annotated[
        str | None, Field(examples=['image/png'], title='Media Type')
    ] = None
    size_bytes: Annotated[int | None, Field(title='Size Bytes')] = None
    filename: Annotated[
        str | None,
        Field(
            description='The name under which the node saved it, with the suffix of the format that it comes in.',
            title='Filename',
        ),
    ] = None
    url: Annotated[
        str | None,
        Field(
            description='Good without a key, for a day or as long as the service says.',
            title='Url',
        ),
    ] = None
    base64: Annotated[
        str | None,
        Field(
            description="The file's contents, where they were asked for inline.",
            title='Base64',
        ),
    ] = None
    value: Annotated[
        Any | None,
        Field(
            description='What the node showed, where it is no file: at most 64 KiB.',
            title='Value',
        ),
    ] = None


class OutputOptions(BaseModel):
    """
    How outputs are to come back. ``format`` and ``quality`` hold for still pictures.
    """

    format: Annotated[
        Literal['png', 'jpeg', 'webp'] | None,
        Field(
            description='Convert pictures to this; as made if left out.', title='Format'
        ),
    ] = None
    quality: Annotated[
        int | None,
        Field(description='Of JPEG and WebP.', ge=1, le=100, title='Quality'),
    ] = 90
    delivery: Annotated[
        Literal['url', 'inline', 'auto'] | None,
        Field(
            description="`url`: a download link for each file. `auto`: also base64, for files up to the service's inline limit. `inline`: also base64, as long as all of them together fit into one reply.",
            title='Delivery',
        ),
    ] = 'url'


class ProblemItem(BaseModel):
    """
    One thing that is wrong with a workflow or a field of the request; ``code`` is ComfyUI's where it has one.
    """

    code: Annotated[str, Field(title='Code')]
    message: Annotated[str, Field(title='Message')]
    remedy: Annotated[str | None, Field(title='Remedy')] = ''
    node_id: Annotated[str | None, Field(title='Node Id')] = None
    class_type: Annotated[str | None, Field(title='Class Type')] = None
    input: Annotated[str | None, Field(title='Input')] = None


class Progress(BaseModel):
    """
    How far a job is. `fraction` is 0 to 1 over all of it, `value` of `max` what the current node says.
    """

    done: Annotated[int, Field(description='Finished steps.', title='Done')]
    total: Annotated[int, Field(description='All steps.', title='Total')]
    fraction: Annotated[float, Field(ge=0.0, le=1.0, title='Fraction')]
    eta_s: Annotated[
        float | None,
        Field(description='Estimated seconds until the end.', title='Eta S'),
    ] = None
    node_id: Annotated[str | None, Field(title='Node Id')] = None
    class_type: Annotated[str | None, Field(title='Class Type')] = None
    value: Annotated[float | None, Field(title='Value')] = None
    max: Annotated[float | None, Field(title='Max')] = None


class Ram(BaseModel):
    """
    Memory of the machine that the web process runs on, in bytes.
    """

    total_bytes: Annotated[int, Field(title='Total Bytes')]
    available_bytes: Annotated[int, Field(title='Available Bytes')]
    web_process_bytes: Annotated[int, Field(title='Web Process Bytes')]


class Readiness(BaseModel):
    """
    How many workers are ready for jobs, and how many are still loading; what keeps the service from its work.
    """

    ready: Annotated[bool, Field(title='Ready')]
    workers_ready: Annotated[int, Field(title='Workers Ready')]
    workers_starting: Annotated[int, Field(title='Workers Starting')]
    faults: Annotated[
        list[str] | None,
        Field(
            description='Folders that are gone or cannot be written to.', title='Faults'
        ),
    ] = []
    unmet: Annotated[
        list[str] | None,
        Field(
            description='What waiting jobs need and no worker that is ready has.',
            title='Unmet',
        ),
    ] = []


class Steps1(RootModel[int]):
    root: Annotated[
        int,
        Field(
            description='Into how many it divides the whole sampling; as many as `steps` if left out.',
            ge=1,
            le=1000,
            title='Steps',
        ),
    ]


class RefinerParameters(BaseModel):
    """
    A second checkpoint, SDXL's refiner, that draws the last steps.
    """

    model_config = ConfigDict(
        extra='forbid',
    )
    model: Annotated[
        str | None,
        Field(
            description='A file of `checkpoints`; the first refiner if left out.',
            title='Model',
        ),
    ] = None
    start: Annotated[
        float | None,
        Field(
            description='Where in the sampling it takes over.',
            gt=0.0,
            lt=1.0,
            title='Start',
        ),
    ] = 0.8
    steps: Annotated[
        Steps1 | None,
        Field(
            description='Into how many it divides the whole sampling; as many as `steps` if left out.',
            title='Steps',
        ),
    ] = None
    required: Annotated[
        bool | None,
        Field(
            description='If not, one model draws all steps where it cannot be used.',
            title='Required',
        ),
    ] = True


class UpscaleParameters(BaseModel):
    """
    Enlarging the result with a model.
    """

    model_config = ConfigDict(
        extra='forbid',
    )
    model: Annotated[
        str | None,
        Field(
            description='A file of `upscale_models`; the first one if left out.',
            title='Model',
        ),
    ] = None


class Secret(RootModel[str]):
    root: Annotated[
        str,
        Field(
            description='Signs the messages. One is made where it is left out.',
            max_length=200,
            min_length=8,
            title='Secret',
        ),
    ]


class WebhookRequest(BaseModel):
    """
    Where to send word of the job. Messages are signed (Standard Webhooks, HMAC-SHA256).
    """

    model_config = ConfigDict(
        extra='forbid',
    )
    url: Annotated[
        str,
        Field(
            examples=['https://example.com/hooks/pictures'],
            max_length=2000,
            title='Url',
        ),
    ]
    events: Annotated[
        list[Literal['progress', 'completed', 'failed', 'cancelled']] | None,
        Field(
            description='`progress` is sent for each finished node.',
            min_length=1,
            title='Events',
        ),
    ] = ['completed', 'failed', 'cancelled']
    secret: Annotated[
        Secret | None,
        Field(
            description='Signs the messages. One is made where it is left out.',
            title='Secret',
        ),
    ] = None


class WorkerDocument(BaseModel):
    """
    A worker process that is alive. `info`: its device, models, memory, cache, and the jobs it has in hand.
    """

    id: Annotated[str, Field(title='Id')]
    state: Annotated[
        str, Field(examples=['starting', 'ready', 'draining'], title='State')
    ]
    host: Annotated[str, Field(title='Host')]
    pid: Annotated[int, Field(title='Pid')]
    started_at: Annotated[AwareDatetime, Field(title='Started At')]
    heartbeat_at: Annotated[AwareDatetime, Field(title='Heartbeat At')]
    info: Annotated[dict[str, Any], Field(title='Info')]


class WorkerError(BaseModel):
    """
    Why there are no pictures.
    """

    type: Annotated[str, Field(title='Type')]
    message: Annotated[str, Field(title='Message')]
    remedy: Annotated[str | None, Field(title='Remedy')] = ''


class WorkerInput(BaseModel):
    """
    A picture in diffusers' words. Members are those of `POST /v1/generate` under these names; own names hold too.
    """

    model_config = ConfigDict(
        extra='allow',
    )
    prompt: Annotated[str | None, Field(examples=['a red circle'], title='Prompt')] = (
        None
    )
    negative_prompt: Annotated[str | None, Field(title='Negative Prompt')] = None
    width: Annotated[int | None, Field(title='Width')] = None
    height: Annotated[int | None, Field(title='Height')] = None
    seed: Annotated[int | None, Field(title='Seed')] = None
    num_inference_steps: Annotated[
        int | None,
        Field(description='The same as `steps`.', title='Num Inference Steps'),
    ] = None
    guidance_scale: Annotated[
        float | None, Field(description='The same as `cfg`.', title='Guidance Scale')
    ] = None
    scheduler: Annotated[
        str | None,
        Field(
            description="Diffusers' name of one, such as `K_EULER` or `DDIM`.",
            title='Scheduler',
        ),
    ] = None
    num_images: Annotated[
        int | None, Field(description='The same as `batch`.', title='Num Images')
    ] = None
    image_url: Annotated[
        str | None,
        Field(
            description='The same as `image`: base64, a data URL, or an http(s) URL.',
            title='Image Url',
        ),
    ] = None
    mask_url: Annotated[
        str | None, Field(description='The same as `mask`.', title='Mask Url')
    ] = None
    strength: Annotated[float | None, Field(title='Strength')] = None
    refiner_inference_steps: Annotated[
        int | None,
        Field(
            description='The same as `refiner.steps`.', title='Refiner Inference Steps'
        ),
    ] = None
    high_noise_frac: Annotated[
        float | None,
        Field(description='The same as `refiner.start`.', title='High Noise Frac'),
    ] = None
    control_image: Annotated[
        str | None,
        Field(description='A picture that guides the drawing.', title='Control Image'),
    ] = None
    control_type: Annotated[
        str | None,
        Field(
            description='What it shows: canny, depth, openpose ...',
            title='Control Type',
        ),
    ] = None
    controlnet_conditioning_scale: Annotated[
        float | None,
        Field(description='How much it counts.', title='Controlnet Conditioning Scale'),
    ] = None
    lora_weights: Annotated[
        list[dict[str, Any]] | None,
        Field(description='The same as `loras`.', title='Lora Weights'),
    ] = None
    deepcache: Annotated[dict[str, Any] | None, Field(title='Deepcache')] = None
    hires: Annotated[dict[str, Any] | None, Field(title='Hires')] = None
    upscale: Annotated[dict[str, Any] | None, Field(title='Upscale')] = None


class WorkerMemory(BaseModel):
    """
    Memory as a worker sees it: `process_bytes`, `ram_total_bytes`, and with a GPU `vram_total_bytes` and more.
    """

    worker: Annotated[str, Field(title='Worker')]
    device: Annotated[str | None, Field(title='Device')] = None
    memory: Annotated[dict[str, int], Field(title='Memory')]
    models_bytes: Annotated[int | None, Field(title='Models Bytes')] = 0
    cache_bytes: Annotated[int | None, Field(title='Cache Bytes')] = 0


class WorkerReply(BaseModel):
    """
    Pictures as data URLs; `image_url` is the first one. Or an `error`.
    """

    images: Annotated[list[str] | None, Field(title='Images')] = []
    image_url: Annotated[str | None, Field(title='Image Url')] = None
    seed: Annotated[int | None, Field(title='Seed')] = None
    job_id: Annotated[str, Field(title='Job Id')]
    error: WorkerError | None = None
    notes: Annotated[
        list[str] | None,
        Field(description='What of the request had no effect.', title='Notes'),
    ] = []


class WorkerRequest(BaseModel):
    """
    `{"input": {...}}` as serverless platforms send it, or its contents alone, in diffusers' names.
    """

    model_config = ConfigDict(
        extra='allow',
    )
    prompt: Annotated[str | None, Field(examples=['a red circle'], title='Prompt')] = (
        None
    )
    negative_prompt: Annotated[str | None, Field(title='Negative Prompt')] = None
    width: Annotated[int | None, Field(title='Width')] = None
    height: Annotated[int | None, Field(title='Height')] = None
    seed: Annotated[int | None, Field(title='Seed')] = None
    num_inference_steps: Annotated[
        int | None,
        Field(description='The same as `steps`.', title='Num Inference Steps'),
    ] = None
    guidance_scale: Annotated[
        float | None, Field(description='The same as `cfg`.', title='Guidance Scale')
    ] = None
    scheduler: Annotated[
        str | None,
        Field(
            description="Diffusers' name of one, such as `K_EULER` or `DDIM`.",
            title='Scheduler',
        ),
    ] = None
    num_images: Annotated[
        int | None, Field(description='The same as `batch`.', title='Num Images')
    ] = None
    image_url: Annotated[
        str | None,
        Field(
            description='The same as `image`: base64, a data URL, or an http(s) URL.',
            title='Image Url',
        ),
    ] = None
    mask_url: Annotated[
        str | None, Field(description='The same as `mask`.', title='Mask Url')
    ] = None
    strength: Annotated[float | None, Field(title='Strength')] = None
    refiner_inference_steps: Annotated[
        int | None,
        Field(
            description='The same as `refiner.steps`.', title='Refiner Inference Steps'
        ),
    ] = None
    high_noise_frac: Annotated[
        float | None,
        Field(description='The same as `refiner.start`.', title='High Noise Frac'),
    ] = None
    control_image: Annotated[
        str | None,
        Field(description='A picture that guides the drawing.', title='Control Image'),
    ] = None
    control_type: Annotated[
        str | None,
        Field(
            description='What it shows: canny, depth, openpose ...',
            title='Control Type',
        ),
    ] = None
    controlnet_conditioning_scale: Annotated[
        float | None,
        Field(description='How much it counts.', title='Controlnet Conditioning Scale'),
    ] = None
    lora_weights: Annotated[
        list[dict[str, Any]] | None,
        Field(description='The same as `loras`.', title='Lora Weights'),
    ] = None
    deepcache: Annotated[dict[str, Any] | None, Field(title='Deepcache')] = None
    hires: Annotated[dict[str, Any] | None, Field(title='Hires')] = None
    upscale: Annotated[dict[str, Any] | None, Field(title='Upscale')] = None
    input: WorkerInput | None = None


class Targets(RootModel[list[str]]):
    root: Annotated[
        list[str],
        Field(
            description='Only these output nodes: ids, titles or classes.',
            max_length=1000,
            min_length=1,
            title='Targets',
        ),
    ] = None


class WorkflowRequest(BaseModel):
    """
    A workflow, the files that its nodes read, and changes to its inputs.
    """

    model_config = ConfigDict(
        extra='forbid',
    )
    workflow: Annotated[
        dict[str, Any],
        Field(
            description="In API form or as the front end saves it, bare or wrapped as in ComfyUI's own requests.",
            title='Workflow',
        ),
    ]
    files: Annotated[
        dict[str, str] | None,
        Field(
            description='Input files by the names that the workflow has for them: base64, a data URL, or an http(s) URL.',
            examples=[{'photo.png': 'https://example.com/photo.png'}],
            title='Files',
        ),
    ] = {}
    overrides: Annotated[
        dict[str, Any] | None,
        Field(
            description="Values by `NODE.INPUT`; NODE is a node's id, title or class.",
            examples=[{'KSampler.steps': 12, 'Positive.text': 'a red boat'}],
            title='Overrides',
        ),
    ] = {}
    targets: Annotated[
        Targets | None,
        Field(
            description='Only these output nodes: ids, titles or classes.',
            title='Targets',
        ),
    ] = None


class IdempotencyKey1(RootModel[str]):
    root: Annotated[
        str,
        Field(
            description='A second request with this key gives the job of the first one.',
            max_length=200,
            min_length=1,
            pattern='^[\\x20-\\x7e]+$',
            title='Idempotency Key',
        ),
    ] = None


class TimeLimitS1(RootModel[float]):
    root: Annotated[
        float,
        Field(
            description="Up to the service's own limit.", gt=0.0, title='Time Limit S'
        ),
    ] = None


class MaxAttempts1(RootModel[int]):
    root: Annotated[
        int,
        Field(
            description='Starts before it fails, if workers die.',
            ge=1,
            title='Max Attempts',
        ),
    ] = None


class JobRequest(BaseModel):
    """
    A job: a workflow and how it is to be run.
    """

    model_config = ConfigDict(
        extra='forbid',
    )
    priority: Annotated[
        int | None,
        Field(
            description='Higher runs earlier, up to what the key may use. A second of waiting counts as a point; among equals, keys take turns.',
            ge=-1000,
            le=1000,
            title='Priority',
        ),
    ] = 0
    idempotency_key: Annotated[
        IdempotencyKey1 | None,
        Field(
            description='A second request with this key gives the job of the first one.',
            title='Idempotency Key',
        ),
    ] = None
    webhook: WebhookRequest | None = None
    output: Annotated[OutputOptions | None, Field(validate_default=True)] = {
        'format': None,
        'quality': 90,
        'delivery': 'url',
    }
    previews: Annotated[
        bool | None,
        Field(description='Make previews while sampling.', title='Previews'),
    ] = True
    time_limit_s: Annotated[
        TimeLimitS1 | None,
        Field(description="Up to the service's own limit.", title='Time Limit S'),
    ] = None
    max_attempts: Annotated[
        MaxAttempts1 | None,
        Field(
            description='Starts before it fails, if workers die.', title='Max Attempts'
        ),
    ] = None
    workflow: Annotated[
        dict[str, Any],
        Field(
            description="In API form or as the front end saves it, bare or wrapped as in ComfyUI's own requests.",
            title='Workflow',
        ),
    ]
    files: Annotated[
        dict[str, str] | None,
        Field(
            description='Input files by the names that the workflow has for them: base64, a data URL, or an http(s) URL.',
            examples=[{'photo.png': 'https://example.com/photo.png'}],
            title='Files',
        ),
    ] = {}
    overrides: Annotated[
        dict[str, Any] | None,
        Field(
            description="Values by `NODE.INPUT`; NODE is a node's id, title or class.",
            examples=[{'KSampler.steps': 12, 'Positive.text': 'a red boat'}],
            title='Overrides',
        ),
    ] = {}
    targets: Annotated[
        Targets | None,
        Field(
            description='Only these output nodes: ids, titles or classes.',
            title='Targets',
        ),
    ] = None


class GenerateRequest(BaseModel):
    """
    A picture by plain parameters, and how its job is to be run.
    """

    model_config = ConfigDict(
        extra='forbid',
    )
    priority: Annotated[
        int | None,
        Field(
            description='Higher runs earlier, up to what the key may use. A second of waiting counts as a point; among equals, keys take turns.',
            ge=-1000,
            le=1000,
            title='Priority',
        ),
    ] = 0
    idempotency_key: Annotated[
        IdempotencyKey | None,
        Field(
            description='A second request with this key gives the job of the first one.',
            title='Idempotency Key',
        ),
    ] = None
    webhook: WebhookRequest | None = None
    output: Annotated[OutputOptions | None, Field(validate_default=True)] = {
        'quality': 90,
        'delivery': 'url',
    }
    previews: Annotated[
        bool | None,
        Field(description='Make previews while sampling.', title='Previews'),
    ] = True
    time_limit_s: Annotated[
        TimeLimitS | None,
        Field(description="Up to the service's own limit.", title='Time Limit S'),
    ] = None
    max_attempts: Annotated[
        MaxAttempts | None,
        Field(
            description='Starts before it fails, if workers die.', title='Max Attempts'
        ),
    ] = None
    prompt: Annotated[
        str, Field(examples=['a red circle on a blue background'], title='Prompt')
    ]
    negative_prompt: Annotated[str | None, Field(title='Negative Prompt')] = ''
    width: Annotated[
        Width | None,
        Field(
            description="In pixels. The picture's, or the model's own, if left out.",
            title='Width',
        ),
    ] = None
    height: Annotated[Height | None, Field(title='Height')] = None
    steps: Annotated[int | None, Field(ge=1, le=1000, title='Steps')] = 20
    cfg: Annotated[float | None, Field(ge=0.0, le=100.0, title='Cfg')] = 7.0
    sampler: Annotated[
        str | None, Field(description='As KSampler has them.', title='Sampler')
    ] = 'dpmpp_2m'
    scheduler: Annotated[str | None, Field(title='Scheduler')] = 'karras'
    seed: Annotated[
        Seed | None,
        Field(
            description='Chosen at random if left out; the job says which it is.',
            title='Seed',
        ),
    ] = None
    model: Annotated[
        str | None,
        Field(
            description='A file of `checkpoints`; that of the list of models which is marked as default.',
            title='Model',
        ),
    ] = None
    vae: Annotated[
        str | None,
        Field(
            description="A file of `vae` instead of the checkpoint's own.", title='Vae'
        ),
    ] = None
    clip_skip: Annotated[
        ClipSkip | None,
        Field(
            description="1 reads the text encoder's last layer, 2 the one before.",
            title='Clip Skip',
        ),
    ] = None
    batch: Annotated[
        int | None, Field(description='How many pictures.', ge=1, le=16, title='Batch')
    ] = 1
    image: Annotated[
        Image | None, Field(description='The picture to change.', title='Image')
    ] = None
    mask: Annotated[
        Mask | None,
        Field(description='White is drawn anew, black stays.', title='Mask'),
    ] = None
    strength: Annotated[
        Strength | None,
        Field(
            description='How much of `image` changes: 0.75 if left out, 1 with a mask.',
            title='Strength',
        ),
    ] = None
    controls: Annotated[
        list[ControlParameters] | None,
        Field(max_length=8, title='Controls', validate_default=True),
    ] = []
    loras: Annotated[
        list[LoraParameters] | None,
        Field(max_length=16, title='Loras', validate_default=True),
    ] = []
    deepcache: Annotated[
        DeepCacheParameters | None, Field(description='All blocks run if left out.')
    ] = None
    refiner: Annotated[
        RefinerParameters | None,
        Field(description='One model draws all steps if left out.'),
    ] = None
    hires: Annotated[
        HiresParameters | None, Field(description='Sampled once if left out.')
    ] = None
    upscale: UpscaleParameters | None = None


class JobError(BaseModel):
    """
    Why a job failed.
    """

    type: Annotated[
        str,
        Field(
            examples=['NodeFailed', 'OutOfMemory', 'WorkerLost', 'TimeLimit'],
            title='Type',
        ),
    ]
    message: Annotated[str, Field(title='Message')]
    remedy: Annotated[str | None, Field(title='Remedy')] = ''
    node_id: Annotated[str | None, Field(title='Node Id')] = None
    class_type: Annotated[str | None, Field(title='Class Type')] = None
    input: Annotated[str | None, Field(title='Input')] = None
    inputs: Annotated[dict[str, Any] | None, Field(title='Inputs')] = None
    cause_type: Annotated[str | None, Field(title='Cause Type')] = None
    problems: Annotated[
        list[ProblemItem] | None, Field(title='Problems', validate_default=True)
    ] = []


class MemoryEstimate(BaseModel):
    """
    Bytes, roughly: weights as they are stored, and work by the largest picture that a node makes from nothing.
    """

    models: Annotated[
        list[ModelFile] | None, Field(title='Models', validate_default=True)
    ] = []
    weights_bytes: Annotated[int | None, Field(title='Weights Bytes')] = 0
    work_bytes: Annotated[
        int | None,
        Field(
            description='For decoding the largest batch of pictures.',
            title='Work Bytes',
        ),
    ] = 0
    total_bytes: Annotated[int | None, Field(title='Total Bytes')] = 0


class MemoryInfo(BaseModel):
    """
    Memory of this machine and of all workers.
    """

    ram: Ram
    workers: Annotated[list[WorkerMemory], Field(title='Workers')]


class ProblemDetails(BaseModel):
    """
    RFC 9457 problem details.
    """

    type: Annotated[
        str, Field(examples=['urn:dagfusion:problem:graph-invalid'], title='Type')
    ]
    title: Annotated[str, Field(examples=['The workflow cannot run'], title='Title')]
    status: Annotated[int, Field(examples=[422], title='Status')]
    detail: Annotated[str, Field(description='One clear sentence.', title='Detail')]
    remedy: Annotated[
        str | None, Field(description='What to do about it.', title='Remedy')
    ] = ''
    instance: Annotated[
        str | None,
        Field(
            description="Names this one failure in the operator's log.",
            title='Instance',
        ),
    ] = None
    problems: Annotated[
        list[ProblemItem] | None, Field(title='Problems', validate_default=True)
    ] = []


class Stats(BaseModel):
    """
    `jobs`: how many are in each state, of those that are still kept.
    """

    jobs: Annotated[
        dict[Literal['queued', 'running', 'completed', 'failed', 'cancelled'], int],
        Field(title='Jobs'),
    ]
    queue_limit: Annotated[int, Field(title='Queue Limit')]
    oldest_waiting_s: Annotated[float, Field(title='Oldest Waiting S')]
    workers: Annotated[list[WorkerDocument], Field(title='Workers')]


class Verdict(BaseModel):
    """
    What was found. `workflow` is what would run: in API form, with overrides and files put in.
    """

    valid: Annotated[bool, Field(title='Valid')]
    problems: Annotated[
        list[ProblemItem],
        Field(
            description="Everything that is wrong, with ComfyUI's codes.",
            title='Problems',
        ),
    ]
    outputs: Annotated[
        list[str],
        Field(description='Ids of the output nodes that can run.', title='Outputs'),
    ]
    notes: Annotated[
        list[str],
        Field(
            description='What was left out of the workflow when it was read, and what was filled in.',
            title='Notes',
        ),
    ]
    workflow: Annotated[dict[str, Any], Field(title='Workflow')]
    memory: MemoryEstimate


class JobDocument(BaseModel):
    """
    A job as it stands now.
    """

    id: Annotated[
        str, Field(examples=['0d9f6f0c-5f0e-4c56-8d5a-6f0c5d2f1b7e'], title='Id')
    ]
    state: Annotated[
        Literal['queued', 'running', 'completed', 'failed', 'cancelled'],
        Field(
            description='Where a job is in its life. The last three are ends: nothing changes after them.',
            title='JobState',
        ),
    ]
    queue_place: Annotated[
        int | None,
        Field(description='1 is next; only while it waits.', title='Queue Place'),
    ] = None
    waits_for: Annotated[
        list[str] | None,
        Field(
            description='Node classes and models that it needs and no worker has; it runs once one has them.',
            title='Waits For',
        ),
    ] = []
    created_at: Annotated[AwareDatetime, Field(title='Created At')]
    started_at: Annotated[AwareDatetime | None, Field(title='Started At')] = None
    finished_at: Annotated[AwareDatetime | None, Field(title='Finished At')] = None
    priority: Annotated[int, Field(title='Priority')]
    attempts: Annotated[
        int, Field(description='How often it was started.', title='Attempts')
    ]
    max_attempts: Annotated[int, Field(title='Max Attempts')]
    time_limit_s: Annotated[float, Field(title='Time Limit S')]
    cancel_requested: Annotated[bool, Field(title='Cancel Requested')]
    seed: Annotated[
        int | None, Field(description='Of `/v1/generate`.', title='Seed')
    ] = None
    idempotency_key: Annotated[str | None, Field(title='Idempotency Key')] = None
    webhook_secret: Annotated[
        str | None,
        Field(
            description='Only in the reply to the submission that had one made: keep it, check messages by it.',
            title='Webhook Secret',
        ),
    ] = None
    progress: Progress | None = None
    outputs: Annotated[
        list[OutputDocument] | None,
        Field(description='Once it has ended; lists leave them out.', title='Outputs'),
    ] = None
    error: JobError | None = None
    notes: Annotated[
        list[str] | None,
        Field(
            description='What was left out of the workflow when it was read, and what was filled in.',
            title='Notes',
        ),
    ] = []
    last_event: Annotated[
        int,
        Field(
            description='Number of its newest event; streams take `after` from here.',
            title='Last Event',
        ),
    ]


class JobPage(BaseModel):
    """
    Some of the jobs, newest first.
    """

    jobs: Annotated[list[JobDocument], Field(title='Jobs')]
    next_cursor: Annotated[
        int | None,
        Field(
            description='Give it as `cursor` to go on; null at the end.',
            title='Next Cursor',
        ),
    ] = None
