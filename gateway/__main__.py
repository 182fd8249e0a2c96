"""`python -m gateway` is `trigate`."""

from gateway.cli import main

if __name__ == "__main__":
    main()
