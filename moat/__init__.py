"""What two processes of Moat share: the catalog, the vectors, the blobs, the ledger and the contract between them."""
