"""Request headers as a mapping."""


def header_map(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name. Of repeated ones the last counts, but hops of `x-forwarded-for` are all kept."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in raw}
    if "x-forwarded-for" in headers:
        hops = [value.decode("latin-1") for name, value in raw if name == b"x-forwarded-for"]
        headers["x-forwarded-for"] = ", ".join(hops)
    return headers
