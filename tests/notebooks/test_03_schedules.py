"""notebooks/03-schedules.ipynb and its solutions"""

from math import exp, expm1, inf, log, sqrt

import deterministic_sampling
import schedules
from course import Executed, whole_run

CHAINS = {
    "linear": schedules.alpha_bars(schedules.linear()),
    "cosine": schedules.alpha_bars(schedules.cosine()),
    "sigmoid": schedules.alpha_bars(schedules.sigmoid()),
}
# 20,000 samples against 20,000 of the truth: the distance of two such sets is below this in 999 of 1,000 cases.
CHANCE = 1.95 * sqrt(2 / 20_000)


def vp_left(t):
    """abar of the VP SDE, Song et al. 2021, appendix C."""
    return exp(-0.1 * t - 9.95 * t * t)


class Schedules(Executed):
    """What the notebook says, against the papers' formulas computed in Python."""

    notebook = "03-schedules.ipynb"
    # Five comparisons, Karras' steps, three histograms, weights, training and its loss by level, two strips.
    pictures = 14

    def test_where_half_and_a_hundredth_are_left(self):
        for name, left in CHAINS.items():
            self.assertEqual(self.printed(rf"{name}: half left at level (\d+)"), schedules.first_below(left, 0.5))
            self.assertEqual(self.printed(rf"{name}: .*hundredth at level (\d+)"), schedules.first_below(left, 0.01))
            found = self.printed(rf"{name}: half left .*at the end ([\d.e-]+)")
            self.assertAlmostEqual(found / left[-1], 1, delta=6e-3)

    def test_two_families_are_one_at_the_same_ratio(self):
        self.assertLess(self.printed(r"largest difference, scaled: ([\d.]+)"), 1e-3)

    def test_log_snr_of_all_families(self):
        def edm(t):
            low, high = 0.002 ** (1 / 7), 80 ** (1 / 7)
            return -2 * 7 * log(low + (1000 * t - 1) / 999 * (high - low))

        def chain(name):
            return lambda t: schedules.log_snr(CHAINS[name][round(1000 * t) - 1])

        families = {
            "linear": chain("linear"),
            "vp": lambda t: log(vp_left(t)) - log(-expm1(log(vp_left(t)))),
            "cosine": chain("cosine"),
            "flow": lambda t: 2 * log((1 - t) / t) if t < 1 else -inf,
            "geometric": lambda t: -2 * log(0.01 * 5000 ** ((1000 * t - 1) / 999)),
            "edm": edm,
        }
        for name, log_snr in families.items():
            start, middle, end = (log_snr(t) for t in (0.001, 0.5, 1.0))
            self.assertAlmostEqual(self.printed(rf"{name}: ln SNR from (-?[\d.]+)"), start, delta=6e-3)
            self.assertAlmostEqual(self.printed(rf"{name}: ln SNR from .* over (-?[\d.]+)"), middle, delta=6e-4)
            found = self.printed(rf"{name}: ln SNR from .* to (-?(?:[\d.]+|inf))")
            self.assertTrue(found == end or abs(found - end) < 6e-3, (name, found, end))

    def test_own_betas(self):
        first, last = 0.01, sqrt(0.02)
        own = schedules.alpha_bars([(first + (last - first) * i / 999) ** 2 for i in range(1000)])
        self.assertAlmostEqual(self.printed(r"(?m)^left at the end: ([\d.e-]+)") / own[-1], 1, delta=6e-3)
        self.assertIn("betas[1] = 1.2: each beta lies between 0 and 1", self.all_text())

    def test_the_last_level_shows_how_bright_a_large_image_is(self):
        left = CHAINS["linear"][-1]
        self.assertAlmostEqual(self.printed(r"mean at the last level: ([\d.]+)"), sqrt(left), delta=6e-6)
        self.assertAlmostEqual(self.printed(r"512 x 512 pixels: ([\d.]+)"), sqrt(1 - left) / 512, delta=6e-6)
        self.assertAlmostEqual(self.printed(r"stands out by: ([\d.]+)"), 512 * sqrt(left / (1 - left)), delta=6e-3)

    def test_zero_terminal_snr_keeps_the_first_level(self):
        self.assertEqual(self.printed(r"alpha at the last level: ([\d.]+) of"), 0)
        first = sqrt(CHAINS["linear"][0])
        for pattern in [r"alpha at the first level: ([\d.]+)", r"alpha at the first level: [\d.]+ of ([\d.]+)"]:
            self.assertAlmostEqual(self.printed(pattern), first, delta=6e-7)
        self.assertIn("prediction = epsilon: ", self.all_text())

    def test_spacings(self):
        for name in ["uniform", "trailing", "leading", "Karras with rho = 7"]:
            line = next(line for line in self.all_text().splitlines() if line.startswith(f"{name}: 1") or line.startswith(f"{name}: 0"))
            found = [float(number) for number in line.split(": ")[1].split(", ")]
            for one, expected in zip(found, deterministic_sampling.times(name, 5), strict=True):
                self.assertAlmostEqual(one, expected, delta=6e-4)

    def test_what_a_spacing_does_to_the_samples(self):
        for name in ["trailing", "leading", "Karras with rho = 7"]:
            for steps in [5, 20]:
                expected = deterministic_sampling.distance(name, steps, (0, 2), 0.3)
                found = self.printed(rf"{name}, {steps} steps: distance ([\d.]+)")
                self.assertAlmostEqual(found, expected, delta=CHANCE)

    def test_where_training_looks(self):
        low, high = 0.002 ** (1 / 7), 80 ** (1 / 7)
        even = sum(7 * log(low + i / 999 * (high - low)) for i in range(1000)) / 1000
        # Of 50,000 draws, whose deviations are 3.2 and 1.2.
        self.assertAlmostEqual(self.printed(r"mean of ln sigma, each level[^:]*: (-?[\d.]+)"), even, delta=0.06)
        self.assertAlmostEqual(self.printed(r"mean of ln sigma, ln\(sigma/alpha\)[^:]*: (-?[\d.]+)"), -1.2, delta=0.025)

    def test_min_snr_weights(self):
        left = CHAINS["cosine"][199]
        snr = left / (1 - left)
        self.assertAlmostEqual(self.printed(r"SNR at t = 0.2: ([\d.]+)"), snr, delta=6e-5)
        self.assertAlmostEqual(self.printed(r"weight of epsilon: ([\d.]+)"), min(snr, 5) / snr, delta=6e-5)
        self.assertAlmostEqual(self.printed(r"weight of v: ([\d.]+)"), min(snr, 5) / (snr + 1), delta=6e-5)

    @whole_run
    def test_the_loss_is_near_one_at_the_data_and_near_none_at_the_noise(self):
        data, noise = self.printed(r"loss near the data: ([\d.]+)"), self.printed(r"loss near the noise: ([\d.]+)")
        self.assertTrue(0.5 < data < 1.3 and noise < 0.05, (data, noise))
        self.assertGreaterEqual(data, 0.9 * self.printed(r"loss near the data: [\d.]+ \(ideal ([\d.]+)\)"))

    def test_a_shift_is_a_shift(self):
        middle = schedules.log_snr(CHAINS["cosine"][499])
        self.assertAlmostEqual(self.printed(r"ln SNR at t = 0.5: (-?[\d.]+)"), middle, delta=6e-4)
        self.assertAlmostEqual(self.printed(r"ln SNR at t = 0.5: .*shifted (-?[\d.]+)"), middle - 2 * log(4), delta=6e-4)

    def test_no_beta_ever_falls(self):
        self.assertEqual(self.all_printed(r"falls at (\d+) of 999 steps"), [0, 0, 0, 0])


class Solutions(Executed):
    """To the exercises of the third notebook."""

    notebook = "solutions/03-schedules.ipynb"
    pictures = 4

    def test_a_tenth_of_the_levels(self):
        coarse = schedules.alpha_bars([10 * beta for beta in schedules.linear(100)])
        fine = CHAINS["linear"]
        self.assertAlmostEqual(self.printed(r"half way, 100 levels: ([\d.]+)"), coarse[49], delta=6e-5)
        self.assertAlmostEqual(self.printed(r"half way, .*1,000 levels: ([\d.]+)"), fine[499], delta=6e-5)
        self.assertAlmostEqual(self.printed(r"at the end, 100 levels: ([\d.e-]+)") / coarse[-1], 1, delta=6e-3)

    def test_where_snr_is_one(self):
        by_hand = 999 * (1 - 0.002 ** (1 / 7)) / (80 ** (1 / 7) - 0.002 ** (1 / 7))
        self.assertAlmostEqual(self.printed(r"sigma is 1 at level ([\d.]+)"), by_hand, delta=6e-3)
        self.assertEqual(self.printed(r"edm: noise is stronger from level (\d+)"), int(by_hand) + 1)
        geometric = int(999 * log(100) / log(5000)) + 1
        self.assertEqual(self.printed(r"geometric: noise is stronger from level (\d+)"), geometric)
        for name in ["linear", "cosine"]:
            found = self.printed(rf"{name}: noise is stronger from level (\d+)")
            self.assertEqual(found, schedules.first_below(CHAINS[name], 0.5))

    def test_equal_ratios_are_equal_steps_of_log_snr(self):
        for t in [0.001, 0.25, 1.0]:
            expected = 9 - 18 * (1000 * t - 1) / 999
            for name in ["straight", "geometric"]:
                # Printed with four digits.
                found = self.printed(rf"ln SNR at {t:g}: .*{name} (-?[\d.]+)")
                self.assertAlmostEqual(found, expected, delta=6e-5)

    def test_spacings_for_dark_and_bright_humps(self):
        names = ["trailing", "leading", "quadratic", "uniform in ln SNR", "uniform in the angle", "Karras with rho = 7"]
        for name in names:
            expected = deterministic_sampling.distance(name, 5, (-1, 1), 0.2)
            self.assertAlmostEqual(self.printed(rf"(?m)^{name}: distance ([\d.]+)"), expected, delta=CHANCE)

    def test_shifts(self):
        wanted = schedules.log_snr(CHAINS["cosine"][499]) - 2 * log(8)
        self.assertAlmostEqual(self.printed(r"wanted (-?[\d.]+), made"), wanted, delta=6e-5)
        self.assertAlmostEqual(self.printed(r"made (-?[\d.]+)"), wanted, delta=6e-5)
        for t in [0.1, 0.5, 0.9]:
            moved = 8 * t / (1 + 7 * t)
            self.assertAlmostEqual(self.printed(rf"t = {t} moves to ([\d.]+)"), moved, delta=6e-5)
            for pattern in [rf"t = {t} moves .*ln SNR (-?[\d.]+)", rf"t = {t} moves .*wanted (-?[\d.]+)"]:
                self.assertAlmostEqual(self.printed(pattern), 2 * log((1 - t) / (8 * t)), delta=6e-5)
