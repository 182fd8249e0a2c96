"""What is typed on the screens: forms with their checks, and what becomes of their values."""
