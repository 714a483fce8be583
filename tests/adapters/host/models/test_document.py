"""What a manifest may hold, and what is said of one that holds something else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.host.models.document import ListedModel, Manifest
from adapters.host.models.errors import ManifestInvalid
from adapters.host.models.reading import MAX_BYTES, read_manifest

ROOT = Path(__file__).parents[4]
ENTRY = {
    "name": "m.safetensors",
    "kind": "checkpoints",
    "source": {"url": "https://example.org/m.safetensors"},
    "sha256": "ab" * 32,
    "size_bytes": 10,
}


def read(tmp_path: Path, text: str) -> Manifest:
    path = tmp_path / "models.yaml"
    path.write_text(text)
    return read_manifest(path)


def problems(tmp_path: Path, document: Any) -> str:
    with pytest.raises(ManifestInvalid) as caught:
        read(tmp_path, yaml.safe_dump(document))
    assert str(tmp_path / "models.yaml") in caught.value.message
    return "\n".join(caught.value.problems)


def test_all_sources_and_defaults(tmp_path: Path) -> None:
    sources = [
        {"huggingface": "acme/model", "file": "unet/m.safetensors"},
        {"url": "https://example.org/m?download=true"},
        {"civitai": 123},
        {"path": "mine/m.safetensors"},
    ]
    entries = [ENTRY | {"source": source, "name": f"{i}.safetensors"} for i, source in enumerate(sources)]
    entries[0] |= {"fetch": "build", "warm": True}
    manifest = read(tmp_path, yaml.safe_dump({"version": 1, "models": entries}))
    assert [type(m.source).__name__ for m in manifest.models] == ["HuggingFace", "Url", "Civitai", "LocalFile"]
    assert manifest.models[0].source.revision == "main"  # type: ignore[union-attr]
    assert manifest.models[3].source.path == str(tmp_path / "mine/m.safetensors")  # type: ignore[union-attr]
    assert [m.fetch for m in manifest.models] == ["build", "start", "start", "start"]
    assert manifest.chosen("build") == manifest.models[:1]
    assert manifest.chosen("all") == manifest.models
    assert [m.warm for m in manifest.models] == [True, False, False, False]


def test_the_example_is_a_manifest_with_commits() -> None:
    manifest = read_manifest(ROOT / "docs" / "models.yaml")
    assert manifest.models
    for model in manifest.models:
        revision = getattr(model.source, "revision", None)
        assert revision is None or len(revision) == 40, f"{model.name} does not name a commit"


@pytest.mark.parametrize(
    "name",
    ["../m.safetensors", "/etc/m.safetensors", "a/../../m.safetensors", "..", "", ".", "a//m.safetensors",
     "..\\m.safetensors", "C:\\m.safetensors", "C:m.safetensors", "a/.hidden.safetensors", "m\0.safetensors",
     "m\n.safetensors", " m.safetensors", "~/m.safetensors/..", "a/" + "x" * 250 + ".safetensors"],
)  # fmt: skip
def test_names_that_leave_their_folder_or_make_trouble_are_refused(tmp_path: Path, name: str) -> None:
    assert "models[0].name: must be a plain relative file name" in problems(
        tmp_path, {"models": [ENTRY | {"name": name}]}
    )


@given(st.text(max_size=60))
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    try:
        model = ListedModel.model_validate(ENTRY | {"name": name + ".safetensors"})
    except ValidationError:
        return
    folder = Path("/models/checkpoints")
    target = Path(*(folder / model.name).parts)
    assert target.is_relative_to(folder)
    assert ".." not in target.parts


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sha256": "ab"}, "models[0].sha256"),
        ({"sha256": 12}, "models[0].sha256"),
        ({"size_bytes": 0}, "models[0].size_bytes"),
        ({"size_bytes": "10"}, "models[0].size_bytes"),
        ({"size_bytes": True}, "models[0].size_bytes"),
        ({"kind": "checkpoint"}, "did you mean 'checkpoints'"),
        ({"kind": "../x"}, "there is no kind"),
        ({"fetch": "later"}, "models[0].fetch"),
        ({"warm": "yes please"}, "models[0].warm"),
        ({"colour": "red"}, "models[0].colour"),
        ({"source": {}}, "must have one of: huggingface (with file), url, civitai, path"),
        ({"source": None}, "must have one of"),
        ({"source": "https://example.org"}, "must have one of"),
        ({"source": {"huggingface": "acme/model"}}, "file: Field required"),
        ({"source": {"huggingface": "acme", "file": "m"}}, "huggingface"),
        ({"source": {"huggingface": "a/b", "file": "../m"}}, "must be a plain relative"),
        ({"source": {"huggingface": "a/b", "file": "m", "revision": "a?b"}}, "revision"),
        ({"source": {"url": "file:///etc/passwd"}}, "must start with https://"),
        ({"source": {"url": "https://"}}, "must start with https://"),
        ({"source": {"url": "https://[::1"}}, "is no web address"),
        ({"source": {"civitai": "x"}}, "civitai"),
        ({"source": {"civitai": 1, "path": "x"}}, "Extra inputs"),
        ({"name": "m.ckpt"}, "is a pickle"),
        ({"name": "m.PT"}, "is a pickle"),
        ({"name": "m.exe"}, "must end in one of"),
        ({"name": "m"}, "must end in one of"),
        ({"kind": "loras", "warm": True}, "name a workflow that uses it with --warm"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    assert said in problems(tmp_path, {"models": [ENTRY | change]})


def test_credentials_in_an_address_are_refused_and_not_repeated(tmp_path: Path) -> None:
    for url in ("https://me:hunter2@example.org/m", "https://example.org/m?token=hunter2"):
        found = problems(tmp_path, {"models": [ENTRY | {"source": {"url": url}}]})
        assert "must not carry a password or token" in found
        assert "hunter2" not in found


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    found = problems(tmp_path, {"models": [ENTRY | {"sha256": ""}, ENTRY | {"kind": "x", "size_bytes": -1}], "more": 1})
    assert [line.partition(":")[0] for line in found.splitlines()] == [
        "models[0].sha256",
        "models[1].kind",
        "models[1].size_bytes",
        "more",
    ]


def test_no_two_entries_may_be_one_file(tmp_path: Path) -> None:
    found = problems(tmp_path, {"models": [ENTRY, ENTRY | {"name": "M.safetensors"}]})
    assert "listed twice: checkpoints/m.safetensors" in found
    twins = [ENTRY | {"kind": kind, "name": "m.safetensors"} for kind in ("unet", "diffusion_models")]
    assert "listed twice" in problems(tmp_path, {"models": twins})


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "models", "a: b: c", "\t", "models: {}", "models: 3", "&a [*a]", "models: &a [*a]", "\u0001",
     "!!python/object/apply:os.system ['true']", "[" * 5000, "version: 2\nmodels: []"],
)  # fmt: skip
def test_what_is_no_manifest_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ManifestInvalid):
        read(tmp_path, text)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ManifestInvalid, match="No such file"):
        read_manifest(tmp_path / "none.yaml")
    with pytest.raises(ManifestInvalid, match="cannot be read"):
        read_manifest(tmp_path)
    (tmp_path / "models.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ManifestInvalid, match="UTF-8"):
        read_manifest(tmp_path / "models.yaml")
    (tmp_path / "models.yaml").write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ManifestInvalid, match="larger"):
        read_manifest(tmp_path / "models.yaml")


def test_the_schema_describes_every_field() -> None:
    schema = Manifest.model_json_schema()
    for name, definition in {**schema["$defs"], "Manifest": schema}.items():
        for field, described in definition["properties"].items():
            assert described.get("description"), f"{name}.{field}"
    assert "checkpoints" in json.dumps(schema)
