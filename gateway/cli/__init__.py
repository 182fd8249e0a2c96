"""The command line, one module per noun. What a command needs is imported when that command runs."""


def main() -> None:
    """The entry point `trigate`. Exits with the code of what happened: see `gateway.errors`."""
    from gateway.cli.root import trigate

    trigate.main(prog_name="trigate")
