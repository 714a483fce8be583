"""Base64: all of it is read, and nothing that is none."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.service.intake import encoded
from adapters.service.intake.encoded import decode_text
from adapters.service.intake.errors import InputRefused, InputTooLarge


@pytest.fixture(autouse=True, scope="module", params=[2**20, 5])
def pieces(request: pytest.FixtureRequest) -> object:
    """The size in which texts are taken; small ones, so that ends of pieces fall everywhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoded, "_PIECE_CHARS", request.param)
        yield


def decode(text: str, max_bytes: int = 10**6) -> bytes:
    return b"".join(decode_text("a.png", text, max_bytes))


@settings(deadline=None)
@given(st.binary(max_size=60), st.integers(1, 30), st.sampled_from(["", "\n", "\r\n", " ", "\t"]))
def test_what_was_encoded_is_decoded_with_line_breaks_or_without(data: bytes, width: int, gap: str) -> None:
    text = base64.b64encode(data).decode()
    wrapped = gap.join(text[at : at + width] for at in range(0, len(text), width)) + gap
    assert decode(wrapped) == data
    assert decode(f"data:image/png;base64,{wrapped}") == data
    assert decode(f"DATA:;charset=x;Base64,{wrapped}") == data


@settings(deadline=None)
@given(st.text("ABab09+/=-_ \n.é", max_size=30))
def test_only_base64_is_decoded(text: str) -> None:
    squeezed = re.sub(r"[ \n]", "", text)
    standard = squeezed.replace("-", "+").replace("_", "/")
    if standard != squeezed and "=" not in squeezed:  # the alphabet for URLs goes without padding
        standard += "=" * (-len(standard) % 4)
    good = len(standard) % 4 == 0 and re.fullmatch(r"[A-Za-z0-9+/]*={0,2}", standard)
    if good:
        assert decode(text) == base64.b64decode(standard)
    else:
        with pytest.raises(InputRefused, match="neither base64 nor"):
            decode(text)


@given(st.binary(max_size=60))
def test_the_alphabet_for_urls_is_decoded_with_padding_or_without(data: bytes) -> None:
    text = base64.urlsafe_b64encode(data).decode()
    assert decode(text) == data
    if "-" in text or "_" in text:
        assert decode(text.rstrip("=")) == data


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hello world!", "holds '!'"),
        ("QUJ", "cut off"),
        ("QUJD" * 3 + "Q", "cut off"),
        ("QQ==QQ==", "after its padding"),
        ("QQ=Q", "after its padding"),
        ("====", "padding is wrong"),
        ("ab-_A", "padding is wrong|cut off"),
        ("a-.png", "holds '.'"),
        ("äöüß", "holds 'ä'"),
        ("QUJD\x00AAA", "holds"),
        ("data:image/png,abc", "no base64 data URL"),
        ("data:image/png;base64", "no base64 data URL"),
        ("data:", "no base64 data URL"),
        ("data:" + "x" * 1000 + ";base64,QUJD", "no base64 data URL"),
        ("photo.png", "holds '.'"),
        ("/etc/passwd", "cut off"),
    ],
)
def test_the_error_says_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(InputRefused, match=says) as refused:
        decode(text)
    assert "'a.png'" in str(refused.value)


def test_no_more_is_decoded_than_is_taken() -> None:
    data = b"x" * 1000
    assert decode(base64.b64encode(data).decode(), 1000) == data
    with pytest.raises(InputTooLarge, match="more than 999 bytes"):
        decode(base64.b64encode(data).decode(), 999)
