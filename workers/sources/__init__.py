"""Sources beyond upload: what they hold, and how a corpus follows them."""
