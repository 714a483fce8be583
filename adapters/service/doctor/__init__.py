"""What this machine has, whether dagfusion can work with it, and what it would choose."""
