"""Attention kernels: torch's, SageAttention's, and which of them computes an attention."""
