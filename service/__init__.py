"""The off-chain service of datdot: one asyncio process that plays any set of roles for one account."""
