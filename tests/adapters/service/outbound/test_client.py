"""Downloads and posts against real servers that do as they please."""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import ssl
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.service.outbound.client import FetchLimits, HttpReply, OutboundClient
from adapters.service.outbound.errors import AddressRefused, FetchFailed, FetchTooLarge
from adapters.service.outbound.policy import AddressPolicy
from tests.adapters.service.outbound.servers import (
    LOOPBACK,
    Answer,
    Request,
    endless,
    loopback_policy,
    redirect,
    reply,
    serving,
    stall,
    trickle,
)
from tests.adapters.services import closed_port

pytestmark = pytest.mark.anyio
PATIENT = FetchLimits(max_bytes=200_000, total_s=60, quiet_s=60, connect_s=60)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def fetched(url: str, policy: AddressPolicy | None = None, limits: FetchLimits = PATIENT) -> bytes:
    client = OutboundClient(policy or loopback_policy())
    try:
        async with client.download(url, limits) as download:
            return b"".join([piece async for piece in download])
    finally:
        await client.aclose()


async def posted(url: str, policy: AddressPolicy | None = None) -> HttpReply:
    client = OutboundClient(policy or loopback_policy())
    try:
        return await client.post(url, b"body", {"x-test": "1"}, PATIENT)
    finally:
        await client.aclose()


async def test_the_checked_address_is_contacted_under_the_name_of_the_host() -> None:
    async with serving(reply(b"hello")) as server:
        policy = loopback_policy(**{"files.example": "127.0.0.1"})
        assert await fetched(f"http://files.example:{server.port}/a?b=c", policy) == b"hello"
    request = server.requests[0]
    assert request.line == "GET /a?b=c HTTP/1.1"
    assert request.headers["host"] == f"files.example:{server.port}"
    assert not {"cookie", "authorization"} & request.headers.keys()


async def test_a_name_is_looked_up_once_so_that_a_changed_answer_changes_nothing() -> None:
    asked: list[str] = []

    async def rebinding(host: str, _: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    async with serving(reply(b"hello")) as server:
        policy = AddressPolicy(LOOPBACK, rebinding)
        assert await fetched(f"http://host:{server.port}/", policy) == b"hello"
        assert asked == ["host"]
        with pytest.raises(AddressRefused):  # The next request looks again, and checks again.
            await fetched(f"http://host:{server.port}/", policy)
    assert len(server.requests) == 1


async def test_a_redirect_to_a_name_that_now_means_a_private_address_is_refused() -> None:
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])

    async def rebinding(_: str, __: int) -> Sequence[str]:
        return next(answers)

    async with serving(redirect("/again")) as server:
        with pytest.raises(AddressRefused, match="private"):
            await fetched(f"http://host:{server.port}/", AddressPolicy(LOOPBACK, rebinding))
    assert len(server.requests) == 1


async def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    async with serving(reply(b"hello")) as server:
        policy = loopback_policy(host=["127.0.0.9", "127.0.0.1"])
        assert await fetched(f"http://host:{server.port}/", policy) == b"hello"


async def test_redirects_are_followed_and_relative_ones_resolved() -> None:
    async with serving(reply(b"there")) as there, serving(redirect(f"{there.url}/x")) as here:
        assert await fetched(here.url) == b"there"
    assert there.requests[0].line == "GET /x HTTP/1.1"


@pytest.mark.parametrize(
    "location",
    [
        *("http://10.0.0.1/", "http://169.254.169.254/latest/meta-data/", "http://[::1]/", "http://localhost/"),
        *("//10.0.0.1/", "file:///etc/passwd", "http://0x7f.1/", "http://user@127.0.0.1/", "ftp://127.0.0.1/"),
        *("http://[::ffff:10.0.0.1]/", "http://2130706433/", "gopher://x", "http://[/"),
    ],
)
async def test_a_redirect_is_checked_like_the_first_address(location: str) -> None:
    async with serving(redirect(location)) as server:
        with pytest.raises(AddressRefused):
            await fetched(server.url, loopback_policy(localhost="::1"))
    assert len(server.requests) == 1


async def test_a_redirect_to_no_address_is_one_clear_failure() -> None:
    async with serving(redirect("http://host:port/")) as server:
        with pytest.raises(FetchFailed):
            await fetched(server.url)


@pytest.mark.parametrize("location", ["", "  "])
async def test_a_redirect_to_nowhere_is_followed_nowhere(location: str) -> None:
    async with serving(redirect(location)) as server:
        with pytest.raises(FetchFailed, match="redirects to nowhere"):
            await fetched(server.url)
    assert len(server.requests) == 1


async def test_redirects_in_circles_end() -> None:
    async with serving(redirect("/")) as server:
        with pytest.raises(FetchFailed, match="5 redirects"):
            await fetched(server.url)
    assert len(server.requests) == 6


async def test_the_endless_body_of_a_redirect_is_not_read() -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.line.startswith("GET /there"):
            await reply(b"hello")(request, writer)
            return
        writer.write(b"HTTP/1.1 302 Found\r\nlocation: /there\r\n\r\n")
        while True:
            writer.write(b"z" * 65536)
            await writer.drain()

    async with serving(answer) as server:
        assert await fetched(server.url) == b"hello"


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(reply(b"proxy")) as proxy, serving(reply(b"direct")) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert await fetched(server.url) == b"direct"
    assert not proxy.requests


async def test_no_cookie_is_kept() -> None:
    async with serving(reply(b"x", "set-cookie: a=b; Path=/")) as server:
        client = OutboundClient(loopback_policy())
        for _ in range(2):
            async with client.download(server.url, PATIENT) as download:
                assert [piece async for piece in download] == [b"x"]
        await client.aclose()
    assert all("cookie" not in request.headers for request in server.requests)


async def test_no_connection_is_kept() -> None:
    async with serving(reply(b"x")) as server:
        client = OutboundClient(loopback_policy())
        for _ in range(3):
            assert (await client.post(server.url, b"", {}, PATIENT)).status == 200
        for _ in range(200):
            if not server.open:
                break
            await asyncio.sleep(0.01)
        assert server.open == 0
        assert server.most_open <= 2  # The server may see the end of one after the start of the next.
        await client.aclose()


def _chunked(*pieces: bytes, end: bool = True) -> Answer:
    async def answer(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for piece in pieces:
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        writer.write(b"0\r\n\r\n" if end else b"")

    return answer


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (stall, FetchFailed, "does not answer"),
        (trickle, FetchFailed, "took more than 1 s"),
        (endless, FetchTooLarge, "more than 200,000 bytes"),
        (reply(b"x" * 200_001), FetchTooLarge, "more than"),
        (reply(b"x", length=10**12), FetchTooLarge, "more than"),
        (reply(b"x", length=100), FetchFailed, "does not answer as HTTP says"),
        (_chunked(b"a" * 150_000, b"b" * 150_000), FetchTooLarge, "more than"),
        (_chunked(b"abc", end=False), FetchFailed, "does not answer as HTTP says"),
        (reply(status=404), FetchFailed, "status 404"),
        (reply(status=500), FetchFailed, "status 500"),
        (reply(status=204), FetchFailed, "status 204"),
        (reply(gzip.compress(b"\0" * 10**8), "content-encoding: gzip"), FetchTooLarge, "more than"),
        (reply(zlib.compress(b"\0" * 10**8), "content-encoding: deflate"), FetchTooLarge, "more than"),
        (reply(gzip.compress(b"abc")[:-4], "content-encoding: gzip"), FetchFailed, "half way"),
        (reply(b"no gzip", "content-encoding: gzip"), FetchFailed, "damaged"),
        (reply(b"x", "content-encoding: br"), FetchFailed, "encoded as 'br'"),
        (reply(b"x", "content-encoding: gzip, gzip"), FetchFailed, "encoded as"),
    ],
)
async def test_bad_answers_are_one_clear_failure(answer: Answer, error: type[Exception], message: str) -> None:
    short = {stall: {"quiet_s": 0.3}, trickle: {"total_s": 1.0}}.get(answer, {})
    async with serving(answer) as server:
        with pytest.raises(error, match=message) as failed:
            await fetched(server.url, limits=replace(PATIENT, **short))
    assert type(failed.value) is error


async def test_what_is_no_http_is_one_clear_failure() -> None:
    async def answer(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.9\r\n")

    async with serving(answer) as server:
        with pytest.raises(FetchFailed, match="does not answer as HTTP says"):
            await fetched(server.url)


async def test_a_closed_port_is_one_clear_failure() -> None:
    with closed_port() as port, pytest.raises(FetchFailed, match="cannot be connected to"):
        await fetched(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize("encode", [gzip.compress, lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:])])
async def test_gzip_that_was_not_asked_for_is_decoded(encode: object) -> None:
    assert callable(encode)
    async with serving(reply(encode(b"hello " * 1000), "content-encoding: gzip")) as server:
        assert await fetched(server.url) == b"hello " * 1000
    assert server.requests[0].headers["accept-encoding"] == "identity"


async def test_a_failure_inside_the_context_is_not_disguised() -> None:
    async with serving(endless) as server:
        client = OutboundClient(loopback_policy())
        with pytest.raises(KeyError):
            async with client.download(server.url, PATIENT):
                raise KeyError
        await client.aclose()


async def test_a_post_carries_body_and_headers_and_follows_no_redirect() -> None:
    async with serving(redirect("http://10.0.0.1/")) as server:
        answer = await posted(server.url)
    assert answer.status == 302
    assert server.requests[0].line == "POST / HTTP/1.1"
    assert server.requests[0].body == b"body"
    assert server.requests[0].headers["x-test"] == "1"


async def test_a_post_reads_no_more_than_an_excerpt_of_the_answer() -> None:
    async with serving(endless) as server:
        assert (await posted(server.url)).excerpt == b"z" * 1024


async def test_a_post_to_a_private_address_is_refused() -> None:
    with pytest.raises(AddressRefused, match="private"):
        await posted("http://10.0.0.1/")


async def test_loopback_is_refused_unless_it_is_listed() -> None:
    async with serving(reply(b"secret")) as server:
        with pytest.raises(AddressRefused, match="loopback"):
            await fetched(server.url, AddressPolicy())
    assert not server.requests


def _certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server that is called ``name`` and of a client that trusts it."""
    pytest.importorskip("cryptography")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(secret + certificate.public_bytes(pem))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cadata=certificate.public_bytes(pem).decode())


async def test_tls_checks_the_name_and_not_the_address(tmp_path: Path) -> None:
    server_context, client_context = _certificate(tmp_path, "files.example")
    names_seen: list[str | None] = []
    server_context.sni_callback = lambda _, name, __: names_seen.append(name)
    policy = loopback_policy(**{"files.example": "127.0.0.1", "other.example": "127.0.0.1"})
    client = OutboundClient(policy, verify=client_context)
    async with serving(reply(b"hello"), tls=server_context) as server:
        async with client.download(f"https://files.example:{server.port}/", PATIENT) as download:
            assert [piece async for piece in download] == [b"hello"]
        for host in ("other.example", "127.0.0.1"):
            with pytest.raises(FetchFailed, match="cannot be connected to"):
                await client.post(f"https://{host}:{server.port}/", b"", {}, PATIENT)
    assert names_seen[0] == "files.example"
    assert len(server.requests) == 1
    await client.aclose()
