"""The FRAME pallets (System, Timestamp, Balances, TransactionPayment, Sudo), as far as the runtime uses them."""
