"""The FRAME pallets (System, Timestamp, Balances, TransactionPayment, Sudo, Utility), as far as the runtime uses them."""
