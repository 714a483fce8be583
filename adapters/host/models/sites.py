"""Where the sources of a manifest are on the web, and which token goes to which site."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from pydantic import SecretStr

from adapters.host.models.document import Civitai, HuggingFace, Url
from adapters.host.settings import Settings


@dataclass(frozen=True, slots=True)
class Site:
    """A site that may ask for a token. ``variable``: where people put that token."""

    endpoint: str
    variable: str
    token: SecretStr = field(default=SecretStr(""))


@dataclass(frozen=True, slots=True)
class Sites:
    """The sites that files are fetched from."""

    huggingface: Site
    civitai: Site

    @classmethod
    def from_settings(cls, settings: Settings) -> Sites:
        """The sites and tokens that the environment names."""
        return cls(
            huggingface=Site(settings.hf_endpoint.rstrip("/"), "HF_TOKEN", settings.hf_token),
            civitai=Site(settings.civitai_endpoint.rstrip("/"), "CIVITAI_TOKEN", settings.civitai_token),
        )

    def address(self, source: HuggingFace | Url | Civitai) -> str:
        """The address to ask first; it may redirect."""
        match source:
            case HuggingFace():
                repository, revision = quote(source.huggingface), quote(source.revision, safe="")
                return f"{self.huggingface.endpoint}/{repository}/resolve/{revision}/{quote(source.file)}"
            case Civitai():
                return f"{self.civitai.endpoint}/api/download/models/{source.civitai}"
            case Url():
                return source.url

    def of(self, url: str) -> Site | None:
        """The site that ``url`` belongs to: same scheme, host and port."""
        sites = (self.huggingface, self.civitai)
        return next((site for site in sites if _origin(site.endpoint) == _origin(url)), None)

    def authorization(self, url: str) -> dict[str, str]:
        """The header that carries the site's token, for the site alone; empty where there is none to send."""
        site = self.of(url)
        token = site.token.get_secret_value().strip() if site else ""
        return {"Authorization": f"Bearer {token}"} if token else {}


def shown(url: str) -> str:
    """``url`` for messages: without its query, which may hold a signature."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return parts.scheme, parts.hostname or "", port
