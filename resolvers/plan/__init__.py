"""Operations compiled: answered straight from stored views. Imported as ``bff.resolvers.plan``."""
