"""A whole session at the console: keys pressed on a terminal, the screens they led to kept as a page of the manual."""
