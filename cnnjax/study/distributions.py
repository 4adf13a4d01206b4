"""Tails and quantiles by scipy.special: scipy.stats takes half a second to import.

Each takes numbers or arrays, and gives what the method of that name of scipy.stats does. Imports no
JAX.
"""

from typing import Any

import numpy as np
from scipy import special


def t_sf(x: Any, degrees: Any) -> Any:
    """The share of Student's t above x."""
    return special.stdtr(degrees, np.negative(x))


def t_isf(share: Any, degrees: Any) -> Any:
    """The x above which that share of Student's t is."""
    return -special.stdtrit(degrees, share)


def normal_cdf(x: Any) -> Any:
    """The share of the standard normal below x."""
    return special.ndtr(x)


def normal_isf(share: Any) -> Any:
    """The x above which that share of the standard normal is."""
    return -special.ndtri(share)


def f_sf(x: Any, above: float, below: float) -> Any:
    """The share of Fisher's F of these degrees of freedom above x."""
    return special.fdtrc(above, below, x)


def binomial_cdf(count: Any, trials: int, share: float) -> Any:
    """The probability of at most so many of these trials."""
    return special.bdtr(count, trials, share)


def beta_ppf(share: float, a: float, b: float) -> Any:
    """The x below which that share of the beta distribution is."""
    return special.betaincinv(a, b, share)


def beta_isf(share: float, a: float, b: float) -> Any:
    """The x above which that share of the beta distribution is."""
    return special.betainccinv(a, b, share)


def noncentral_t_sf(x: Any, degrees: float, shift: float) -> Any:
    """The share of the noncentral t above x; NaN where its series gives no number."""
    return 1 - special.nctdtr(degrees, shift, x)


def chi_squared_ppf(share: Any, degrees: float) -> Any:
    """The x below which that share of chi squared is."""
    return 2 * special.gammaincinv(degrees / 2, share)


def skew(values: np.ndarray) -> float:
    """The third moment of values [n] over the cube of their standard deviation."""
    apart = values - values.mean()
    return float((apart**3).mean() / (apart**2).mean() ** 1.5)


def wilson_interval(right: int, count: int, confidence: float) -> tuple[float, float]:
    """Wilson's interval (1927) of a share, as scipy.stats.binomtest gives it."""
    z, share = normal_isf((1 - confidence) / 2), right / count
    middle = share + z**2 / (2 * count)
    half = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    low, high = ((middle + own) / (1 + z**2 / count) for own in (-half, half))
    return (float(low) if right else 0.0), (float(high) if right < count else 1.0)
