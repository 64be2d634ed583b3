"""The settings that say who may use an instance."""

from __future__ import annotations

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator

from services.addresses import is_web_address

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class PeopleSettings(BaseModel):
    """Who signs in, and how."""

    mode: Literal["local", "accounts", "oidc"] = "local"
    """Who uses it: one person at this machine, people with accounts here, or people whom an OpenID
    provider knows."""

    public_url: str | None = None
    """Address under which people reach it, such as https://scriptorium.example; needed for `oidc`
    and behind a proxy."""

    session_hours: float = Field(12.0, gt=0)
    """Hours without a click or a request after which somebody is signed out."""

    oidc_issuer: str | None = None
    """Address of the OpenID provider."""

    oidc_client_id: str | None = None
    """What the provider calls this instance."""

    oidc_client_secret: SecretStr | None = None
    """The secret that goes with it."""

    oidc_scopes: str = "openid profile email"
    """What the provider is asked for, separated by spaces."""

    oidc_name_claim: str = "preferred_username"
    """Where the provider says what somebody is called; `email` is used where that is missing."""

    oidc_groups_claim: str = "groups"
    """Where the provider says which groups somebody is in."""

    oidc_groups: tuple[str, ...] = ()
    """Groups whose people may sign in; everybody whom the provider knows when empty."""

    oidc_admin_groups: tuple[str, ...] = ()
    """Groups whose people are admins."""

    oidc_hours: float = Field(12.0, gt=0, le=720)
    """Hours after which people sign in with the provider again, by which their groups are known
    anew."""

    @property
    def host_names(self) -> frozenset[str] | None:
        """The names that this server answers to; None for any."""
        name = {urlsplit(self.public_url).hostname or ""} if self.public_url else set()
        if self.mode == "local":
            return LOOPBACK | name
        return frozenset(name | LOOPBACK) if name else None

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach it by TLS."""
        return bool(self.public_url and self.public_url.startswith("https://"))

    @field_validator("public_url", "oidc_issuer", mode="after")
    @classmethod
    def _web_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        if not is_web_address(url):
            raise ValueError(f"{url} is no address of the form https://host")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.mode == "oidc":
            needed = ("public_url", "oidc_issuer", "oidc_client_id", "oidc_client_secret")
            missing = [name for name in needed if getattr(self, name) is None]
            if missing:
                raise ValueError(f"the mode oidc also needs {', '.join(missing)}")
        return self


def check_address(mode: str, address: str | None) -> str | None:
    """Return why a server may not listen on an address, or None.

    Args:
        mode: The mode of the settings.
        address: What Streamlit was told to listen on; None and empty mean everywhere.
    """
    if mode != "local" or (address or "").strip("[]") in LOOPBACK:
        return None
    return (
        f"Scriptorium cannot start: it would listen on {address or 'every address'}, where "
        'anybody on the network could use it without signing in. Set mode = "accounts" or '
        '"oidc" in scriptorium.toml, or let it listen on 127.0.0.1 only.'
    )
