"""Microsoft Entra ID's tokens for Azure OpenAI, as azure-identity finds them. Needs the extra `weir[azure]`."""

from __future__ import annotations

import logging
import time
from functools import cache
from typing import Any

from app.errors import UpstreamError
from app.providers.kept import Kept

log = logging.getLogger("weir.providers.entra")

NEEDS = "azuread without openai_api_key needs azure-identity: pip install 'weir[azure]'"

_SCOPE = "https://cognitiveservices.azure.com/.default"

_EARLY_SECONDS = 300
"""A token that ends within this time is not used any more; azure-identity's own cache thinks so too."""

_TIMEOUTS = {"connection_timeout": 10, "read_timeout": 10}


def is_installed() -> bool:
    """Whether azure-identity is there."""
    try:
        import azure.identity  # noqa: F401
    except ImportError:
        return False
    return True


def token() -> str:
    """A token of this moment. Raises UpstreamError; only the log says why: Microsoft names tenants and clients."""
    from azure.core.exceptions import AzureError

    try:
        return str(_token()().token)
    except (AzureError, ValueError) as error:  # ValueError: variables that contradict each other
        log.warning("Microsoft Entra ID gave no token for Azure OpenAI: %s", error)
        words = "Microsoft Entra ID gave the gateway no token for Azure OpenAI"
        raise UpstreamError(words, code="upstream_auth") from error


@cache
def _token() -> Kept[Any]:
    """One token for all endpoints, through every reload: the default credential is of the process, not of settings."""
    credential = Kept(_credential)
    return Kept(lambda: credential().get_token(_SCOPE), lambda token: token.expires_on - _EARLY_SECONDS > time.time())


def _credential() -> Any:
    """Variables, workload identity, managed identity, the Azure CLI: the first that gives a token."""
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential(**_TIMEOUTS)
