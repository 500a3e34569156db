"""From a question to a checked, cited answer: plain events, no HTTP."""
