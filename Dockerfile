# syntax=docker/dockerfile:1
# dagfusion as an image: `docker build -t dagfusion .`, or `--target cpu` to try it without a GPU. See docs/docker.md.

# Python and uv, as everything below uses them. uv's version is the lock's.
# The base is named by its tag: security updates come with the next build. Who wants the same bytes each time builds
# with the digest that `docker buildx imagetools inspect ubuntu:24.04` tells.
FROM ubuntu:24.04 AS python
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# The distribution's own packages have to be its newest, so no versions are named. pip's are: by the lock.
# hadolint ignore=DL3008,DL3013
RUN --mount=type=bind,source=requirements.lock,target=/requirements.lock \
    apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /opt/uv \
    && /opt/uv/bin/pip install --no-cache-dir --constraint /requirements.lock uv
ENV PATH=/opt/dagfusion/bin:/opt/uv/bin:$PATH \
    VIRTUAL_ENV=/opt/dagfusion \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy
RUN python3 -m venv --without-pip /opt/dagfusion

# The wheel. Only it goes into the image, no sources.
FROM python AS wheel
WORKDIR /source
RUN --mount=type=bind,source=requirements.lock,target=/requirements.lock \
    --mount=type=cache,target=/root/.cache/uv \
    uv pip install --constraint /requirements.lock hatchling
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY engine engine
COPY nodes nodes
COPY adapters adapters
COPY graphs graphs
COPY models models
COPY benchmarks benchmarks
RUN hatchling build -t wheel -d /dist

# What the wheel requires, in the versions of the lock. EXTRAS: postgres, s3, otel, runpod, ray, preprocess.
FROM python AS environment-cuda
ARG EXTRAS="postgres s3"
RUN --mount=type=bind,source=requirements.lock,target=/project/requirements.lock \
    --mount=type=bind,source=pyproject.toml,target=/project/pyproject.toml \
    --mount=type=cache,target=/root/.cache/uv \
    for extra in ${EXTRAS}; do set -- "$@" --extra "${extra}"; done \
    && uv pip install --constraint /project/requirements.lock --requirements /project/pyproject.toml "$@"
# SAGEATTENTION: a wheel in the build context (wheels/...) or its address.
ARG SAGEATTENTION=""
RUN --mount=type=bind,target=/context \
    --mount=type=cache,target=/root/.cache/uv \
    if [ -n "${SAGEATTENTION}" ]; then uv --directory /context pip install --no-deps "${SAGEATTENTION}"; fi
RUN --mount=type=bind,from=wheel,source=/dist,target=/dist uv pip install --no-deps /dist/*.whl

# The same with torch's build for CPUs, which is smaller by some gigabytes.
FROM python AS environment-cpu
ARG EXTRAS="postgres s3"
RUN --mount=type=bind,source=requirements.lock,target=/project/requirements.lock \
    --mount=type=bind,source=pyproject.toml,target=/project/pyproject.toml \
    --mount=type=cache,target=/root/.cache/uv \
    for extra in ${EXTRAS}; do set -- "$@" --extra "${extra}"; done \
    && uv pip install --torch-backend cpu \
    --constraint /project/requirements.lock --requirements /project/pyproject.toml "$@"
RUN --mount=type=bind,from=wheel,source=/dist,target=/dist uv pip install --no-deps /dist/*.whl

# Models that go into the image: MODELS names a manifest in the build context. Tokens are build secrets, in no layer.
# The pull needs few of the libraries, so that it runs beside their installation and not after it.
FROM python AS models
RUN --mount=type=bind,source=requirements.lock,target=/requirements.lock \
    --mount=type=cache,target=/root/.cache/uv \
    uv pip install --constraint /requirements.lock \
    filelock httpx lazy-loader platformdirs pydantic pydantic-settings pyyaml rich typer
RUN --mount=type=bind,from=wheel,source=/dist,target=/dist uv pip install --no-deps /dist/*.whl
ARG MODELS=""
RUN --mount=type=bind,target=/context \
    --mount=type=secret,id=hf_token,env=HF_TOKEN \
    --mount=type=secret,id=civitai_token,env=CIVITAI_TOKEN \
    mkdir -p /models \
    && if [ -n "${MODELS}" ]; then \
    dagfusion models pull "/context/${MODELS}" --models /models --when build \
    && cp "/context/${MODELS}" /models/models.yaml; fi

# What runs: Python, a user without rights, and how the service is started and watched.
FROM ubuntu:24.04 AS service
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home dagfusion \
    && install -d -o dagfusion -g dagfusion /models \
    && install -d -o dagfusion -g dagfusion -m 700 /data
ENV PATH=/opt/dagfusion/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DAGFUSION_MODELS=/models \
    DAGFUSION_DATA=/data \
    DAGFUSION_INPUT=/data/input \
    DAGFUSION_OUTPUT=/data/output \
    DAGFUSION_TEMP=/data/temp \
    XDG_CACHE_HOME=/data/cache
ARG VERSION="" REVISION=""
LABEL org.opencontainers.image.title="dagfusion" \
      org.opencontainers.image.description="Executes ComfyUI workflow graphs natively: REST, WebSocket, ComfyUI's protocol" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
WORKDIR /data
EXPOSE 8188
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python3", "-c", "import os, urllib.request as web; port = os.getenv('DAGFUSION_PORT') or os.getenv('PORT') or 8188; web.urlopen(f'http://127.0.0.1:{port}/health', timeout=4)"]
ENTRYPOINT ["dagfusion"]
CMD ["serve", "--host", "0.0.0.0"]

FROM service AS cpu
COPY --from=models --chown=dagfusion:dagfusion /models /models
COPY --from=environment-cpu /opt/dagfusion /opt/dagfusion
USER 10001:10001

# CUDA's runtime comes with torch, in the versions of the lock; the host brings the driver. Triton, which torch.compile
# uses, calls a C compiler.
FROM service AS cuda
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev python3-dev \
    && rm -rf /var/lib/apt/lists/*
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=models --chown=dagfusion:dagfusion /models /models
COPY --from=environment-cuda /opt/dagfusion /opt/dagfusion
USER 10001:10001
