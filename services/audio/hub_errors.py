"""Why the model hub did not give what was asked of it, for a person."""

from __future__ import annotations

import ssl
from collections.abc import Iterator


def why(error: BaseException) -> str:
    """Return what is in the way, and what to do, as the end of a sentence.

    Args:
        error: What the hub's library raised: an error of its own, of its HTTP client, of sockets.
    """
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set: unset it to reach the hub"
    if isinstance(error, GatedRepoError):
        return "accept the model's terms on the hub, and set HF_TOKEN to a token of that account"
    if isinstance(error, RepositoryNotFoundError):
        return "the hub has no such model; check its name, or set HF_TOKEN if it is a private one"
    if isinstance(error, HfHubHTTPError) and error.response is not None:
        return f"the hub answered with status {error.response.status_code}; try again later"
    causes = list(_causes(error))
    if any(isinstance(one, ssl.SSLError) or "CERTIFICATE_VERIFY" in str(one) for one in causes):
        return (
            "the certificate that came is not trusted; if your network inspects connections, set "
            "SSL_CERT_FILE to the file with its certificates"
        )
    if any("Timeout" in type(one).__name__ for one in causes):
        return "the hub did not answer in time; behind a proxy, set HTTPS_PROXY to its address"
    return "the hub cannot be reached; behind a proxy, set HTTPS_PROXY to its address"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
