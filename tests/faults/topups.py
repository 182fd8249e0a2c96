"""Another writer: `python -m tests.faults.topups DATABASE CUSTOMER TIMES AMOUNT`. A line for each top-up once it is
committed."""

import sys
from pathlib import Path

from gateway.store.database import open_database
from gateway.store.operators import customers

if __name__ == "__main__":
    path, customer, times, amount_micro = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    database = open_database(path)
    for _ in range(times):
        entry = customers.topup(database, "test", customer, amount_micro)
        print(entry.id, flush=True)
    database.close()
