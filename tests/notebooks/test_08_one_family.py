"""notebooks/08-one-family.ipynb and its solutions"""

import gzip
import math
import random

from course import ROOT, Executed, whole_run

NOISE = 0.05


def moons(count, rng):
    """Points on two half circles of radius 1 under Gaussian noise."""
    points = []
    for index in range(count):
        angle = math.pi * rng.random()
        x, y = math.cos(angle), math.sin(angle)
        x, y = (1 - x, 0.5 - y) if index % 2 else (x, y)
        points.append((x + rng.gauss(0, NOISE), y + rng.gauss(0, NOISE)))
    return points


def moments(points):
    """Mean and covariance (a, b; b, c)."""
    n = len(points)
    mx, my = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    a = sum((x - mx) ** 2 for x, _ in points) / (n - 1)
    b = sum((x - mx) * (y - my) for x, y in points) / (n - 1)
    c = sum((y - my) ** 2 for _, y in points) / (n - 1)
    return (mx, my), (a, b, c)


def frechet(first, second):
    """The Frechet distance in the plane: of 2 x 2 matrices tr (AB)^(1/2) = sqrt(tr AB + 2 sqrt(det A det B))."""
    ((mx, my), (a, b, c)), ((nx, ny), (d, e, f)) = moments(first), moments(second)
    product = a * d + 2 * b * e + c * f
    determinants = max((a * c - b * b) * (d * f - e * e), 0)
    shared = math.sqrt(product + 2 * math.sqrt(determinants))
    return (mx - nx) ** 2 + (my - ny) ** 2 + a + c + d + f - 2 * shared


def by_chance(first, second, tries=200):
    """What the distance of two draws of the moons stays below in all but the rarest of cases."""
    rng = random.Random(0)
    return 1.5 * max(frechet(moons(first, rng), moons(second, rng)) for _ in range(tries))


def pixels():
    """The digits' pixels, from -1 (paper) to 1 (ink)."""
    data = gzip.decompress((ROOT / "src/data/digits/images.idx3.gz").read_bytes())[16:]
    return [value / 8 - 1 for value in data]


def vp_alpha(t):
    """exp(-1/2 of the integral of 0.1 + 19.9 t)."""
    return math.exp(-0.5 * (0.1 * t + 19.9 * t * t / 2))


class OneFamily(Executed):
    """Five papers, one family."""

    notebook = "08-one-family.ipynb"
    # Schedules, one image, six answers, field, three trajectories and paths, SDE, two trainings, fields, likelihoods, bridge.
    pictures = 16

    def test_the_levels_where_image_and_noise_are_equally_strong(self):
        bar = 1.0
        for level in range(259):
            bar *= 1 - (1e-4 + level * (0.02 - 1e-4) / 999)
        geometric = 0.01 * 1000 ** (666 / 999)
        for name, level, alpha, sigma in [
            ("geometric", 666, 1, geometric),
            ("linear", 258, math.sqrt(bar), math.sqrt(1 - bar)),
            ("flow", 499, 0.5, 0.5),
        ]:
            line = rf"{name}: level {level}, alpha "
            self.assertAlmostEqual(self.printed(line + r"([\d.]+)"), alpha, delta=6e-5)
            self.assertAlmostEqual(self.printed(line + r"[\d.]+, sigma ([\d.]+)"), sigma, delta=6e-5)
            self.assertAlmostEqual(self.printed(line + r"[\d.]+, sigma [\d.]+, ratio ([\d.]+)"), sigma / alpha, delta=6e-5)

    def test_the_images_there_are_one(self):
        # Noise of at most four deviations, times what the ratio at 258 differs from 1.
        self.assertLess(self.printed(r"largest difference of a pixel: ([\d.]+)"), 4 * 5e-4 + 1e-3)

    def test_predictions_turn_into_one_another(self):
        self.assertLess(self.printed(r"36 conversions, largest error: ([\d.e-]+)"), 1e-5)
        self.assertLess(self.printed(r"largest \|epsilon \+ sigma score\|: ([\d.e-]+)"), 1e-5)

    def test_the_sde_leads_to_the_schedule(self):
        alpha = vp_alpha(0.5)
        for who in ("by the SDE", "schedule"):
            self.assertAlmostEqual(self.printed(who + r": +alpha\(0.5\) = ([\d.]+)"), alpha, delta=1e-4)
            sigma = self.printed(who + r": +alpha\(0.5\) = [\d.]+, sigma\(0.5\) = ([\d.]+)")
            self.assertAlmostEqual(sigma, math.sqrt(1 - alpha * alpha), delta=1e-4)

    def test_four_ways_draw_the_moons(self):
        limit = by_chance(200, 500)
        for name in ("Langevin", "DDPM", "SDE", "ODE"):
            self.assertLess(self.printed(rf"(?m)^{name}: ([\d.]+)"), limit, name)

    def test_the_ode_goes_both_ways(self):
        self.assertLess(self.printed(r"there and back: a point misses its place by ([\d.]+)"), 0.01)

    def test_three_papers_lead_noise_to_one_point(self):
        self.assertLess(self.printed(r"DDPM and flow matching: ([\d.]+) apart"), 0.02)
        self.assertLess(self.printed(r"NCSN and flow matching: ([\d.]+) apart"), 0.1)

    def test_bits_per_dim_of_a_bell_curve(self):
        values = pixels()
        mean = sum(values) / len(values)
        variance = sum((value - mean) ** 2 for value in values) / len(values)
        self.assertAlmostEqual(self.printed(r"pixels: mean (-[\d.]+)"), mean, delta=1e-3)
        self.assertAlmostEqual(self.printed(r"pixels: mean -[\d.]+, std ([\d.]+)"), math.sqrt(variance), delta=1e-3)
        noised = variance + 1e-4 / (1 - 1e-4)  # under the first level's noise
        nats = 0.5 * math.log(2 * math.pi * noised) + 0.5 * variance / noised
        bits = nats / math.log(2) + math.log2(16 / 2)
        self.assertAlmostEqual(self.printed(r"a bell curve: ([\d.]+) bits/dim"), bits, delta=2e-3)

    @whole_run
    def test_one_network_serves_every_sampler(self):
        self.assertLess(self.printed(r"mean angle between the two scores: ([\d.]+) degrees"), 12)
        distances = self.all_printed(r": Frechet distance ([\d.]+)")
        self.assertEqual(len(distances), 4)
        for distance in distances:
            self.assertLess(distance, 2 * by_chance(500, 1_000))

    @whole_run
    def test_nobody_beats_the_entropy(self):
        # The moons' entropy is 0.289 nats (tests/fixtures/closed_forms.py).
        nats, error = self.printed(r"held-out ln p: (-[\d.]+) nats"), self.printed(r"\nstandard error: ([\d.]+)")
        self.assertLess(nats, -0.289 + 4 * error)
        self.assertGreater(nats, -0.289 - 0.35)
        bound = self.printed(r"bound on -ln p: (-?[\d.]+) nats")
        self.assertGreater(bound, 0.289 - 4 * self.printed(r"its standard error: ([\d.]+)"))

    @whole_run
    def test_the_bridge_ends_on_the_circles(self):
        self.assertGreater(self.printed(r"within 0.15 of a circle: ([\d.]+)%"), 82)


class Solutions(Executed):
    """The exercises."""

    notebook = "solutions/08-one-family.ipynb"
    pictures = 3

    def test_1_too_few_shakes(self):
        many = self.printed(r"10 levels, 100 updates each: Frechet distance ([\d.]+)")
        few = self.printed(r"10 levels, 3 updates each: Frechet distance ([\d.]+)")
        one = self.printed(r"1 levels, 100 updates each: Frechet distance ([\d.]+)")
        self.assertLess(many, by_chance(200, 500))
        self.assertGreater(few, 2 * many)
        # A bell curve's points at sigma = 10 are led to a heap of deviation v/10 along each axis of variance v.
        _, (a, b, c) = moments(moons(20_000, random.Random(1)))
        half, apart = (a + c) / 2, math.hypot((a - c) / 2, b)
        expected = sum((math.sqrt(v) - v / 10) ** 2 for v in (half + apart, half - apart))
        self.assertAlmostEqual(one, expected, delta=0.05)

    def test_2_by_hand(self):
        self.assertLess(self.printed(r"largest difference of the scores: ([\d.e-]+)"), 1e-4)

    def test_3_euler_is_of_first_order(self):
        errors = [self.printed(rf"\b{steps} steps on a Gaussian: error ([\d.]+)") for steps in (50, 100, 200, 400)]
        for coarse, fine in zip(errors[1:], errors[2:]):
            self.assertAlmostEqual(coarse / fine, 2, delta=0.3)
        moons_errors = [self.printed(rf"\b{steps} steps: ([\d.]+) from Heun's") for steps in (100, 200, 400)]
        self.assertEqual(moons_errors, sorted(moons_errors, reverse=True))

    def test_3_on_a_gaussian_in_python(self):
        # The same recursion for one deviation from the mean: x = mean + u scale.
        def scale(t):
            return math.sqrt((0.5 * vp_alpha(t)) ** 2 + 1 - vp_alpha(t) ** 2)

        def factor(steps, end=0.1):
            u, dt = 1.0, (1 - end) / steps
            for step in range(steps):
                t = 1 - step * dt
                beta = 0.1 + 19.9 * t
                u -= (-0.5 * beta * u + 0.5 * beta * u / scale(t) ** 2) * dt
            return u

        ratio = abs(factor(100) - scale(0.1) / scale(1)) / abs(factor(200) - scale(0.1) / scale(1))
        found = [self.printed(rf"\b{steps} steps on a Gaussian: error ([\d.]+)") for steps in (100, 200)]
        self.assertAlmostEqual(found[0] / found[1], ratio, delta=0.15)

    @whole_run
    def test_4_circles_land_on_moons(self):
        self.assertGreater(self.printed(r"within 0.15 of a moon: ([\d.]+)%"), 80)
