"""notebooks/04-denoisers-and-scores.ipynb and its solutions"""

import random
from math import atanh, cos, exp, log, pi, sin, sqrt, tanh
from statistics import NormalDist, fmean

import schedules
from course import Executed, whole_run

ALPHA_BARS = schedules.alpha_bars(schedules.linear())
POINTS = [(-1.0, 0.0), (1.0, 0.0), (0.0, 1.5)]


def alpha_sigma(t):
    """alpha and sigma of the linear schedule at a level."""
    left = ALPHA_BARS[round(1000 * t) - 1]
    return sqrt(left), sqrt(1 - left)


def shares(x, t, points=POINTS):
    """How likely each point is to have been noised to x."""
    alpha, sigma = alpha_sigma(t)
    distances = [sum((one - alpha * other) ** 2 for one, other in zip(x, point)) for point in points]
    weights = [exp((min(distances) - distance) / (2 * sigma**2)) for distance in distances]
    return [weight / sum(weights) for weight in weights]


def guess(x, t, points=POINTS):
    """The ideal denoiser: the mean of the points by their shares."""
    return [sum(share * point[axis] for share, point in zip(shares(x, t, points), points)) for axis in range(len(x))]


def hump_guesses(x, t, std=0.2):
    """For humps at -1 and 1: the variance under noise, the share of the right one if both are equal, both guesses."""
    alpha, sigma = alpha_sigma(t)
    variance = alpha**2 * std**2 + sigma**2
    right = 1 / (1 + exp(-2 * alpha * x / variance))
    return variance, right, [(sigma**2 * mean + alpha * std**2 * x) / variance for mean in (-1, 1)]


def moons_log_density(x, y, noise=0.05, points=1000):
    """ln of the density of the moons: two half circles under Gaussian noise, integrated along the arcs."""
    total = 0.0
    for k in range(points):
        angle = pi * (k + 0.5) / points
        c, s = cos(angle), sin(angle)
        for u, v in [(c, s), (1 - c, 0.5 - s)]:
            total += exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * noise**2))
    return log(total / (2 * points) / (2 * pi * noise**2))


def moons_mean_log_density(count=400):
    """The mean of ln p over draws from it: minus the entropy of the moons."""
    draw = random.Random(0)
    found = []
    for index in range(count):
        angle = draw.uniform(0, pi)
        c, s = cos(angle), sin(angle)
        x, y = (c, s) if index % 2 else (1 - c, 0.5 - s)
        found.append(moons_log_density(x + draw.gauss(0, 0.05), y + draw.gauss(0, 0.05)))
    return fmean(found)


class DenoisersAndScores(Executed):
    """What the notebook says, against closed forms."""

    notebook = "04-denoisers-and-scores.ipynb"
    # Fields of three points, three of moons, a bell, humps, two walks, copies, digits, training, three comparisons,
    # the ways of samples, likelihood.
    pictures = 16

    def test_the_guess_for_three_points(self):
        for t in [0.05, 0.2, 0.3, 0.5, 1]:
            expected = guess((0.2, 0.3), t)
            for axis, pattern in enumerate([r"\((-?[\d.]+),", r"\(-?[\d.]+, (-?[\d.]+)\)"]):
                found = self.printed(rf"t = {t}: guess {pattern}")
                self.assertAlmostEqual(found, expected[axis], delta=6e-5)
        for k, share in enumerate(shares((0.2, 0.3), 0.3)):
            found = self.printed(r"shares: " + r"[\d.]+, " * k + r"([\d.]+)")
            self.assertAlmostEqual(found, share, delta=6e-5)

    def test_the_guess_for_a_bell_curve(self):
        for t in [0.05, 0.3, 0.9]:
            alpha, sigma = alpha_sigma(t)
            expected = 2 + alpha * 0.25 / (alpha**2 * 0.25 + sigma**2) * (1 - 2 * alpha)
            for pattern in [rf"t = {t}: guess (-?[\d.]+), by hand", rf"t = {t}: guess .*by hand (-?[\d.]+)"]:
                self.assertAlmostEqual(self.printed(pattern), expected, delta=6e-5)

    def test_the_guess_is_the_mean_of_what_could_have_been(self):
        variance, right, guesses = hump_guesses(0.2, 0.2)
        alpha, sigma = alpha_sigma(0.2)
        expected = (1 - right) * guesses[0] + right * guesses[1]
        self.assertAlmostEqual(self.printed(r"denoiser's guess: ([\d.]+)"), expected, delta=6e-4)
        count = self.printed(r"came out near 0.2: (\d+)")
        density = sum(NormalDist(alpha * mean, sqrt(variance)).pdf(0.2) for mean in (-1, 1)) / 2
        self.assertAlmostEqual(count / (400_000 * 0.04 * density), 1, delta=0.06)
        spread = NormalDist(0, sqrt(0.04 * sigma**2 / variance))
        above = (1 - right) * spread.cdf(guesses[0]) + right * spread.cdf(guesses[1])
        self.assertAlmostEqual(self.printed(r"share from the right hump: ([\d.]+)"), above, delta=2 / sqrt(count))
        self.assertAlmostEqual(self.printed(r"their mean: ([\d.]+)"), expected, delta=4 / sqrt(count))

    def test_tweedie(self):
        _, right, guesses = hump_guesses(0.2, 0.2)
        alpha, sigma = alpha_sigma(0.2)
        expected = (alpha * ((1 - right) * guesses[0] + right * guesses[1]) - 0.2) / sigma**2
        for name in ["slope of the log-density", "from the guess", "(?m)^score"]:
            self.assertAlmostEqual(self.printed(rf"{name}: (-?[\d.]+)"), expected, delta=2e-4)

    def test_langevin_paths_cross_where_there_is_noise(self):
        self.assertGreater(self.printed(r"second half of the walk, much noise: ([\d.]+)"), 0.25)
        self.assertLess(self.printed(r"second half of the walk, little noise: ([\d.]+)"), 0.05)

    def test_the_bias_of_finite_steps(self):
        for step in [0.05, 0.5, 1]:
            expected = 1 / (1 - step / 2)
            found = self.printed(rf"steps of {step}: variance ([\d.]+)")
            self.assertAlmostEqual(found / expected, 1, delta=4 * sqrt(2 / 20_000))
            self.assertAlmostEqual(self.printed(rf"steps of {step}: .*formula ([\d.]+)"), expected, delta=6e-4)

    def test_the_ideal_denoiser_copies(self):
        # A thousand points on 2 pi of arcs as wide as 0.05 are a hundredth or two apart.
        new = self.printed(r"nearest training point, new points: ([\d.]+)")
        self.assertTrue(0.01 < new < 0.03, new)
        self.assertLess(self.printed(r"nearest training point, samples: ([\d.]+)"), 0.3 * new)
        self.assertLess(self.printed(r"of twenty digits to the data: ([\d.]+)"), 0.05)

    @whole_run
    def test_the_network_is_nearer_to_the_truth_where_single_points_show(self):
        pattern = r"t = {}: degrees from the truth, network ([\d.]+)"
        ideal = r"t = {}: degrees from the truth, .*training set's ideal ([\d.]+)"
        self.assertLess(self.printed(pattern.format(0.2)), 15)
        self.assertLess(self.printed(pattern.format(0.02)), self.printed(ideal.format(0.02)))

    @whole_run
    def test_the_network_does_not_copy(self):
        new = self.printed(r"nearest training point, new points: ([\d.]+)")
        self.assertGreater(self.printed(r"nearest training point, network: ([\d.]+)"), 0.7 * new)

    @whole_run
    def test_new_points_are_nearly_as_likely_as_can_be(self):
        best = moons_mean_log_density()
        found = self.printed(r"new points, network: (-?[\d.]+)")
        self.assertTrue(best - 0.35 < found < best + 0.15, (found, best))


class Solutions(Executed):
    """To the exercises of the fourth notebook."""

    notebook = "solutions/04-denoisers-and-scores.ipynb"
    pictures = 4

    def test_the_middle_of_the_circle_and_a_far_place(self):
        middle = (0.0, 5 / 12 * alpha_sigma(0.2)[0])
        for x, pattern in [(middle, r"at \(0.000, [\d.]+\)"), ((5.0, 5.0), r"at \(5.000, 5.000\)")]:
            expected = guess(x, 0.2)
            self.assertAlmostEqual(self.printed(pattern + r": guess \((-?[\d.]+)"), expected[0], delta=6e-5)
            self.assertAlmostEqual(self.printed(pattern + r": guess \(-?[\d.]+, (-?[\d.]+)"), expected[1], delta=6e-5)

    def test_two_points_are_a_hyperbolic_tangent(self):
        for t in [0.1, 0.3, 0.6]:
            alpha, sigma = alpha_sigma(t)
            for name in ["guess", "tanh"]:
                found = self.printed(rf"t = {t}: .*{name} ([\d.]+)")
                self.assertAlmostEqual(found, tanh(alpha * 0.3 / sigma**2), delta=6e-6)

    def test_where_unequal_humps_count_the_same(self):
        for t in [0.2, 0.5]:
            alpha, sigma = alpha_sigma(t)
            variance = 0.04 * alpha**2 + sigma**2
            # tanh of half the logarithm of the odds of the right one, 1 to 9, is to be undone.
            x = variance * atanh(0.8) / alpha
            self.assertAlmostEqual(self.printed(rf"t = {t}: equal at ([\d.]+)"), x, delta=6e-5)
            for name in ["guess", "by hand"]:
                found = self.printed(rf"t = {t}: .*{name} ([\d.]+)")
                self.assertAlmostEqual(found, 0.04 * alpha * x / variance, delta=6e-5)

    def test_shares_of_the_walks(self):
        self.assertAlmostEqual(self.printed(r"Langevin at t = 0.02: ([\d.]+)"), 0.5, delta=0.05)
        self.assertAlmostEqual(self.printed(r"share above 0, annealed: ([\d.]+)"), 0.1, delta=0.03)

    @whole_run
    def test_thirty_points(self):
        samples, new = self.printed(r"30 points, samples: ([\d.]+)"), self.printed(r"30 points, new points: ([\d.]+)")
        self.assertTrue(0.2 * new < samples < 1.2 * new, (samples, new))
        ideal = self.printed(r"of the ideal denoiser ([\d.]+)")
        self.assertGreater(self.printed(r"loss of the last hundred steps: ([\d.]+)"), ideal)
