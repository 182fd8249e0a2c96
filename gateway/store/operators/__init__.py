"""What an operator does: each function is one transaction with an audit row, and refuses with advice."""
