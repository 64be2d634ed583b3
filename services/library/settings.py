"""The settings of the library, and of the language model that it may ask."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator

from services.addresses import is_web_address


class LibrarySettings(BaseModel):
    """What makes results searchable."""

    library: bool = True
    """Whether results are indexed and can be searched."""

    embedding_model: str | None = None
    """sentence-transformers model of the library, by name or path; the packaged one when unset."""

    rerank_model: str | None = None
    """Cross-encoder of sentence-transformers, by name or path, that orders the best hits anew."""

    llm_url: str | None = None
    """Base URL of an OpenAI-compatible language model, as of Ollama or vLLM; none when unset."""

    llm_local: bool = False
    """Whether the name in `llm_url` may lead to this machine itself or to link-local addresses;
    `localhost` always may."""

    llm_model: str = ""
    """Name of the language model there."""

    llm_key: SecretStr | None = None
    """Key for the language model's server, if it wants one."""

    llm_timeout: float = Field(120.0, gt=0)
    """Seconds that the language model has for an answer."""

    llm_shares_gpu: bool = False
    """Whether the language model computes on the GPU that transcribes: the two take turns then."""

    llm_price: float = Field(0.0, ge=0)
    """Price of a million tokens, of which the cost in the log is counted."""

    commit_chunks: int = Field(100, ge=1)
    """Passages after which the library's writer commits without waiting for more."""

    @field_validator("llm_url", mode="after")
    @classmethod
    def _model_address(cls, url: str | None) -> str | None:
        if url and not is_web_address(url):
            raise ValueError("it is no address of the form http://host:11434/v1")
        if "@" in urlsplit(url or "").netloc:
            raise ValueError("a name or a password in it would be shown; the key goes into llm_key")
        return url
