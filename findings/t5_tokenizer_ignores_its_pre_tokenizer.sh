#!/usr/bin/env bash
# transformers 5.24.0: T5Tokenizer.from_pretrained puts a pre-tokenizer of its own (WhitespaceSplit, then Metaspace "always")
# in place of the one that tokenizer.json names. A file that says Metaspace "first" then gives other ids than the library
# that wrote it: a trailing blank is lost, and a line break splits words instead of being an unknown token.
# Given as tokenizer_file, the same file keeps its pre-tokenizer. Seen with tokenizers 0.23.3, Python 3.11.
# Fails if that changes.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q transformers==5.24.0 tokenizers==0.23.3
cd "$work"
"$work/venv/bin/python" - <<'PY' 2>/dev/null
import json
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import T5Tokenizer, T5TokenizerFast

pieces = ["<pad>", "</s>", "<unk>", "\u2581", "\u2581a", "a", "b", "\u2581b"]
written = Tokenizer(models.Unigram([(piece, -float(place)) for place, piece in enumerate(pieces)], unk_id=2))
written.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=True)
Path("folder").mkdir()
written.save("folder/tokenizer.json")
special = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>", "extra_ids": 0}
Path("folder/tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "T5Tokenizer", **special}))

by_folder = T5Tokenizer.from_pretrained("folder")
by_file = T5TokenizerFast(tokenizer_file="folder/tokenizer.json", **special)
differ = []
for text in ("a b", "a ", "a\nb"):
    own = written.encode(text).ids
    assert by_file(text, add_special_tokens=False)["input_ids"] == own
    if by_folder(text, add_special_tokens=False)["input_ids"] != own:
        differ.append(text)
print("from_pretrained differs from the file for", differ)
assert differ == ["a ", "a\nb"]
PY
