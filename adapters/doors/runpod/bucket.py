"""The S3 bucket that RunPod's workers know by ``BUCKET_ENDPOINT_URL``, ``BUCKET_ACCESS_KEY_ID`` and so on."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

_log = logging.getLogger(__name__)


def put_into_bucket(job_id: str, name: str, contents: bytes) -> str | None:
    """Upload a file by RunPod's SDK, which reads where to; its URL, or ``None`` where that did not work."""
    from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]
    from runpod.serverless.utils import rp_upload  # type: ignore[import-untyped]

    client, _ = rp_upload.get_boto_client()
    if client is None:
        _log.error("there is no bucket: set BUCKET_ENDPOINT_URL, BUCKET_ACCESS_KEY_ID and BUCKET_SECRET_ACCESS_KEY")
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"file{Path(name).suffix}")
        path.write_bytes(contents)
        try:
            return str(rp_upload.upload_image(job_id, str(path)))
        except (BotoCoreError, ClientError, OSError) as error:
            _log.error("'%s' could not be put into the bucket: %s", name, error)
            return None
