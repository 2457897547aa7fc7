"""Who is asking: from a token to a Principal, for as long as that holds."""
