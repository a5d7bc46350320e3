"""The pallets that come from FRAME (System, Timestamp, Balances, TransactionPayment, Sudo), as far as the runtime uses them."""
