"""The embedded Qdrant: the part of Qdrant's gRPC protocol that Moat uses, served from Qdrant Edge on loopback."""
