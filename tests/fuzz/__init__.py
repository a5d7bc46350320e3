"""Every decoder of strangers' bytes: whatever comes in, the answer is a value or the decoder's own error."""
