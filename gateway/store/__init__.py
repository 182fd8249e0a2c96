"""The database: sync and loop-free, shared by the gateway, the console and the command line.

database.py opens it, migrate.py shapes it, writer.py is the gateway's one writer, operators/ are what an operator does,
queries/ what anyone reads. schema.py names every table.
"""
