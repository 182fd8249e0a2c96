"""Limits on what is spent, as customers and keys both have them."""

from admin_tui.widgets.form import Field
from gateway.records import Customer, Key
from gateway.store.operators import validate


def spending_limits(holder: Customer | Key | None) -> list[Field]:
    """`day_limit_micro` and `month_limit_micro`, as the holder has them; empty for one that is yet to be made."""
    return [_limit(holder, "day", "Daily limit"), _limit(holder, "month", "Monthly limit")]


def _limit(holder: Customer | Key | None, unit: str, label: str) -> Field:
    name = f"{unit}_limit_micro"
    return Field(
        name,
        label,
        "usd",
        getattr(holder, name) if holder else None,
        check=lambda micro: validate.amount(micro, label.lower()),
        help=f"USD a UTC {unit}; empty is none.",
    )
