"""The provider kinds, by name."""

from gateway.errors import ConfigurationError
from gateway.upstream.providers.base import Provider


def provider_for(kind: str) -> Provider:
    """The provider of accounts of this kind. Raises ConfigurationError for one there is not.

    Imported when first asked for: a gateway without simulated accounts need not load their generator.
    """
    if kind == "anthropic":
        from gateway.upstream.providers import anthropic

        return anthropic.PROVIDER
    if kind == "openai":
        from gateway.upstream.providers import openai

        return openai.PROVIDER
    if kind == "simulated":
        from gateway.upstream.providers import simulated

        return simulated.PROVIDER
    if kind == "claude-cli":
        from gateway.upstream.providers import claude_cli

        return claude_cli.PROVIDER
    kinds = "anthropic, openai, claude-cli or simulated"
    raise ConfigurationError(f"Accounts of kind {kind!r} are not supported; use {kinds}.")
