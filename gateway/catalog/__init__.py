"""Models, aliases, capabilities and prices: `data/catalog.toml` with the operator's overrides on top."""

from gateway.catalog.models import (
    Capabilities,
    Catalog,
    Model,
    Price,
    PriceTier,
    Rates,
)

__all__ = ["Capabilities", "Catalog", "Model", "Price", "PriceTier", "Rates"]
