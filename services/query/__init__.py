"""Questions in, passages and answers out."""
