"""Trigate: a self-hosted LLM gateway. `gateway.relay` tells one call's story, `gateway.app` shows the nursery tree."""

__version__ = "0.1.0"
