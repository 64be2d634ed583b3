"""The settings that say which programs are told of batches that ended."""

from __future__ import annotations

import base64
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator

from services.addresses import is_web_address


class WebhookSettings(BaseModel):
    """Whom webhooks tell, and what they are signed with."""

    webhook_urls: tuple[str, ...] = ()
    """Addresses that get a signed summary of each batch that has ended."""

    webhook_secret: SecretStr | None = Field(None, min_length=16)
    """What the summaries are signed with: `whsec_` and Base64, or any text of 16 characters."""

    webhook_local: bool = False
    """Whether webhooks may go to this machine itself and to link-local addresses."""

    @model_validator(mode="after")
    def _complete_webhooks(self) -> Self:
        if self.webhook_urls and self.webhook_secret is None:
            raise ValueError("webhook_urls needs a webhook_secret to sign with")
        return self

    @field_validator("webhook_urls", mode="after")
    @classmethod
    def _web_addresses(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            if not is_web_address(url) or "@" in urlsplit(url).netloc:
                # Without the address itself, which may hold a password.
                raise ValueError("one of them is no address of the form https://host/path")
        return urls

    @field_validator("webhook_secret", mode="after")
    @classmethod
    def _usable_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        text = secret.get_secret_value() if secret else ""
        if text.startswith("whsec_"):
            try:
                base64.b64decode(text.removeprefix("whsec_"), validate=True)
            except ValueError:
                raise ValueError("what follows whsec_ is not Base64") from None
        return secret
