"""The beta distribution: what is known of a rate after so many failures and successes.

The regularized incomplete beta function is evaluated by its continued fraction (NIST Digital Library of
Mathematical Functions, 8.17.22) with Lentz's method, and inverted by bisection. The prior is Jeffreys':
Beta(½, ½), whose intervals keep their promise best for rates near 0 and 1 (Brown, Cai and DasGupta 2001,
"Interval estimation for a binomial proportion").
"""

import math

PRIOR = 0.5
_TINY = 1e-300
_STEPS = 300
_ACCURACY = 1e-12


def share_below(x: float, a: float, b: float) -> float:
    """Return the probability that a Beta(a, b) variable is at most ``x``.

    Args:
        x: 0 … 1.
        a: above 0; in a posterior, failures + prior.
        b: above 0; in a posterior, successes + prior.
    """
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    front = math.exp(
        a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    )
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1.0 - front * _fraction(1.0 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, 1.0 / _away_from_zero(1.0 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1.0 / _away_from_zero(1.0 + term * d)
            c = _away_from_zero(1.0 + term / c)
            value *= c * d
        if abs(c * d - 1.0) < _ACCURACY:
            break
    return value


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def quantile(share: float, a: float, b: float) -> float:
    """Return the value below which a Beta(a, b) variable lies with probability ``share``, to 10⁻⁹."""
    low, high = 0.0, 1.0
    while high - low > 1e-9:  # noqa: PLR2004 - the accuracy that is promised
        middle = (low + high) / 2
        if share_below(middle, a, b) < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def interval(failures: float, successes: float, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return the equal-tailed credible interval of a rate of failure.

    As Brown and others advise, its lower end is 0 where nothing failed, and its upper end 1 where nothing
    else happened.
    """
    a, b = failures + PRIOR, successes + PRIOR
    tail = (1 - confidence) / 2
    return (
        quantile(tail, a, b) if failures else 0.0,
        quantile(1 - tail, a, b) if successes else 1.0,
    )


def mean_rate(failures: float, successes: float) -> float:
    """Return the posterior mean of a rate of failure."""
    return (failures + PRIOR) / (failures + successes + 2 * PRIOR)
