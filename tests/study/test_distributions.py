"""Tails and quantiles are those of scipy.stats."""

import numpy as np
import pytest
from scipy import stats

from cnnjax.study import distributions as own

SHARES = np.array([1e-12, 1e-4, 0.01, 0.025, 0.3, 0.5, 0.9])
X = np.array([-3.0, -0.2, 0.0, 0.7, 2.5, 9.0])
DEGREES = (1, 2.5, 4, 19, 399.0, 1e6)


@pytest.mark.parametrize("degrees", DEGREES)
def test_students_t(degrees):
    np.testing.assert_allclose(own.t_sf(X, degrees), stats.t.sf(X, degrees), rtol=1e-10)
    np.testing.assert_allclose(own.t_isf(SHARES, degrees), stats.t.isf(SHARES, degrees), rtol=1e-9)
    assert own.t_isf(0.025, np.array([degrees, 3])).shape == (2,)


def test_what_is_not_known_stays_so():
    assert np.isnan(own.t_isf(0.025, np.nan)) and np.isnan(own.t_sf(np.nan, 4))
    assert own.t_sf(np.inf, 4) == 0 and own.t_sf(-np.inf, 4) == 1


def test_of_endless_degrees_it_is_the_normal():
    assert own.t_isf(0.025, np.inf) == pytest.approx(stats.t.isf(0.025, np.inf))
    assert own.t_sf(1.5, np.inf) == pytest.approx(stats.norm.sf(1.5))


def test_the_normal():
    np.testing.assert_allclose(own.normal_cdf(X), stats.norm.cdf(X), rtol=1e-12)
    np.testing.assert_allclose(own.normal_isf(SHARES), stats.norm.isf(SHARES), rtol=1e-12)


def test_f_and_chi_squared():
    for above, below in ((1, 5.5), (2, 30), (7, 2.0)):
        found = own.f_sf(X[2:], above, below)
        np.testing.assert_allclose(found, stats.f.sf(X[2:], above, below), rtol=1e-10)
    for degrees in DEGREES[:-1]:
        found = own.chi_squared_ppf(SHARES, degrees)
        np.testing.assert_allclose(found, stats.chi2.ppf(SHARES, degrees), rtol=1e-9)


def test_counts_and_their_shares():
    for count, trials in ((0, 1), (3, 20), (20, 20), (41, 100)):
        found = own.binomial_cdf(count, trials, 0.5)
        assert found == pytest.approx(stats.binom.cdf(count, trials, 0.5), rel=1e-12)
    for a, b in ((1, 2), (5, 16), (20, 1)):
        for share in (0.025, 0.5):
            assert own.beta_ppf(share, a, b) == pytest.approx(stats.beta.ppf(share, a, b))
            assert own.beta_isf(share, a, b) == pytest.approx(stats.beta.isf(share, a, b))


def test_the_noncentral_t():
    for degrees, shift in ((4, 0.5), (19, 2.9), (400, 3.2)):
        found = own.noncentral_t_sf(X, degrees, shift)
        np.testing.assert_allclose(found, stats.nct.sf(X, degrees, shift), rtol=1e-8, atol=1e-12)


def test_skewness():
    values = np.array([0.1, 0.5, 0.2, 3.0])
    assert own.skew(values) == pytest.approx(stats.skew(values))


def test_wilsons_interval():
    for right, count in ((0, 5), (5, 5), (3, 10), (997, 1000)):
        found = stats.binomtest(right, count).proportion_ci(0.95, method="wilson")
        assert own.wilson_interval(right, count, 0.95) == pytest.approx((found.low, found.high))
