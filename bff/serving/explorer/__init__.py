"""GraphiQL, from this package alone. What a browser is given stands in ``static``; ``make explorer`` builds it from ``web``."""
