"""A runtime as its metadata describes it: encode calls, decode values, sign extrinsics."""
