"""Language models: one gateway, priced and recorded call by call."""
