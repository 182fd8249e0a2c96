"""What the console, the command line and the pages read. Every read is short and paged by key, never by offset."""
