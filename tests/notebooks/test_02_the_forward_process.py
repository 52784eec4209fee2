"""notebooks/02-the-forward-process.ipynb and its solutions"""

import gzip
from cmath import exp as cexp
from math import exp, log, pi, sqrt
from statistics import fmean, pvariance

import schedules
from course import ROOT, Executed

ALPHA_BARS = schedules.alpha_bars(schedules.linear())


def digits():
    """Every digit as rows of eight pixels in [-1, 1], read from the data's own file."""
    data = gzip.decompress((ROOT / "src" / "data" / "digits" / "images.idx3.gz").read_bytes())[16:]
    pixels = [value / 8 - 1 for value in data]
    return [pixels[start : start + 8] for start in range(0, len(pixels), 8)]


class TheForwardProcess(Executed):
    """What the notebook says, against the chain computed in Python."""

    notebook = "02-the-forward-process.ipynb"
    # Curves, strip, walk, 32 x 32, blocks, 8 x 8, moons, humps, two kinds of paths, the SDE.
    pictures = 11

    def test_half_of_the_image_is_gone_early(self):
        self.assertEqual(self.printed(r"less than half is left from level: (\d+)"), schedules.first_below(ALPHA_BARS, 0.5))

    def test_the_jump_by_hand_is_the_strip(self):
        self.assertLess(self.printed(r"largest difference from the strip: ([\d.]+)"), 1e-3)

    def test_five_hundred_steps_are_one_jump(self):
        for factor, variance in [
            (r"after 500 steps: factor ([\d.]+)", r"after 500 steps: factor [\d.]+, variance ([\d.]+)"),
            (r"in one jump: factor ([\d.]+)", r"in one jump: factor [\d.]+, variance ([\d.]+)"),
        ]:
            self.assertAlmostEqual(self.printed(factor), sqrt(ALPHA_BARS[499]), delta=1e-6)
            self.assertAlmostEqual(self.printed(variance), 1 - ALPHA_BARS[499], delta=1e-6)

    def test_twenty_thousand_walks_have_the_law_of_the_jump(self):
        for level in [0, 250, 500, 750, 999]:
            alpha, sigma = sqrt(ALPHA_BARS[level]), sqrt(1 - ALPHA_BARS[level])
            mean = self.printed(rf"level {level}: walked mean (-?[\d.]+)")
            std = self.printed(rf"level {level}: walked mean -?[\d.]+, std ([\d.]+)")
            self.assertAlmostEqual(mean, alpha, delta=4 * sigma / sqrt(20_000) + 5e-4)
            self.assertAlmostEqual(std, sigma, delta=4 * sigma / sqrt(40_000) + 5e-4)
            self.assertAlmostEqual(self.printed(rf"level {level}: .*jump mean ([\d.]+)"), alpha, delta=5.1e-4)
            self.assertAlmostEqual(self.printed(rf"level {level}: .*jump mean [\d.]+, std ([\d.]+)"), sigma, delta=5.1e-4)

    def test_the_variance_moves_towards_one_or_explodes(self):
        own = pvariance([pixel for row in digits() for pixel in row])
        self.assertAlmostEqual(self.printed(r"variance of the pixels: ([\d.]+)"), own, delta=1e-4)
        for level in [0, 250, 500, 999]:
            left, sigma = ALPHA_BARS[level], 0.01 * 5000 ** (level / 999)
            for name, expected in [("linear", left * own + 1 - left), ("geometric", own + sigma**2)]:
                found = self.printed(rf"level {level}: (?:linear [\d.]+, )?{name} ([\d.]+)")
                # Of 115,008 pixels, whose noise is one draw: 2% is four deviations and more.
                self.assertAlmostEqual(found / expected, 1, delta=0.02)

    def test_signal_to_noise(self):
        half = schedules.first_below(ALPHA_BARS, 0.5)
        for level, digits_ in [(0, 2), (half, 3), (999, 2)]:
            found = self.printed(rf"ln SNR at level {level}: (-?[\d.]+)")
            self.assertAlmostEqual(found, schedules.log_snr(ALPHA_BARS[level]), delta=0.51 * 10**-digits_)

    def test_fine_waves_drown_first(self):
        rows = digits()
        for k in range(5):
            turns = [cexp(-2j * pi * k * i / 8) / sqrt(8) for i in range(8)]
            power = fmean(abs(sum(pixel * turn for pixel, turn in zip(row, turns))) ** 2 for row in rows)
            self.assertAlmostEqual(self.printed(rf"{k} waves: power ([\d.]+)"), power, delta=6e-4)
            drowned = next(level for level, left in enumerate(ALPHA_BARS) if left * power < 1 - left)
            self.assertEqual(self.printed(rf"{k} waves: .* from level (\d+)"), drowned)

    def test_blocks_of_sixteen_have_a_quarter_of_the_noise(self):
        self.assertAlmostEqual(self.printed(r"averaging 4 x 4 pixels divides the noise by: ([\d.]+)"), 4, delta=0.1)
        self.assertAlmostEqual(self.printed(r"which shifts ln SNR by: ([\d.]+)"), 2 * log(4), delta=0.05)

    def test_the_posterior_is_what_the_walks_show(self):
        # Levels 250 and 500; Ho et al. 2020, eq. 7, with abar_t/abar_s for the alpha of the step.
        late, early = ALPHA_BARS[500], ALPHA_BARS[250]
        step = late / early
        c_x = sqrt(step) * (1 - early) / (1 - late)
        c_0 = sqrt(early) * (1 - step) / (1 - late)
        std = sqrt((1 - step) * (1 - early) / (1 - late))
        for way, tolerance in [("formula", 6e-4), ("measured", 0.025)]:
            for name, expected in [("c_x", c_x), ("c_0", c_0), ("deviation", std)]:
                self.assertAlmostEqual(self.printed(rf"{way}: .*{name} ([\d.]+)"), expected, delta=tolerance)
        self.assertIn("x_s = 1 x_0 + 0 x_t + 0 z", self.all_text())

    def test_two_humps_become_one(self):
        # Humps of half a distance alpha and variance 0.04 alpha^2 + sigma^2 have one top where that is larger than alpha^2.
        one = next(level for level, left in enumerate(ALPHA_BARS) if left < 0.04 * left + 1 - left)
        self.assertAlmostEqual(self.printed(r"one hump from level: (\d+)"), one, delta=1)

    def test_paths_end_with_the_variance_of_their_law(self):
        # Of 300 numbers; the pulled paths' own is 1 - e^-8.
        for name in ["Brownian", "Ornstein-Uhlenbeck"]:
            found = self.printed(rf"{name} variance at the end: ([\d.]+)")
            self.assertAlmostEqual(found, 1, delta=4 * sqrt(2 / 300))
        self.assertAlmostEqual(self.printed(r"clock shows at t = 1: ([\d.]+)"), -log(ALPHA_BARS[999]), delta=0.006)

    def test_a_small_step_of_the_equation_is_a_step_of_the_chain(self):
        # beta(t) = 0.1 + 19.9 t, exactly integrated over [0.5, 0.501] for the chain.
        beta, whole = 0.1 + 19.9 * 0.5, 0.001 * (0.1 + 19.9 * 0.5005)
        self.assertAlmostEqual(self.printed(r"equation: factor ([\d.]+)"), 1 - beta * 0.001 / 2, delta=6e-6)
        self.assertAlmostEqual(self.printed(r"equation: .*noise ([\d.]+)"), sqrt(beta * 0.001), delta=6e-6)
        self.assertAlmostEqual(self.printed(r"chain: factor ([\d.]+)"), exp(-whole / 2), delta=6e-6)
        self.assertAlmostEqual(self.printed(r"chain: .*noise ([\d.]+)"), sqrt(1 - exp(-whole)), delta=6e-6)


class Solutions(Executed):
    """To the exercises of the second notebook."""

    notebook = "solutions/02-the-forward-process.ipynb"
    pictures = 5

    def test_levels_at_which_half_and_a_hundredth_are_left(self):
        for name, betas in [("linear", schedules.linear()), ("cosine", schedules.cosine())]:
            for share in [0.5, 0.01]:
                found = self.printed(rf"{name}: less than {share} left from level (\d+)")
                self.assertEqual(found, schedules.first_below(schedules.alpha_bars(betas), share))

    def test_the_walk_by_hand_has_the_variance_of_the_formula(self):
        own, left = pvariance([pixel for row in digits() for pixel in row]), ALPHA_BARS[99]
        expected = left * own + 1 - left
        self.assertAlmostEqual(self.printed(r"all digits, formula: ([\d.]+)"), expected, delta=6e-4)
        self.assertAlmostEqual(self.printed(r"all digits, walked: ([\d.]+)"), expected, delta=0.02)

    def test_the_posterior_has_less_noise_near_the_data(self):
        for level in [1, 10, 100, 999]:
            expected = (1 - ALPHA_BARS[level - 1]) / (1 - ALPHA_BARS[level])
            self.assertAlmostEqual(self.printed(rf"level {level}: ratio ([\d.]+)"), expected, delta=6e-5)

    def test_equal_steps(self):
        self.assertAlmostEqual(self.printed(r"with steps of 0.001: ([\d.]+)"), 0.999**1000, delta=6e-5)
        self.assertAlmostEqual(self.printed(r"steps that leave 4e-5: ([\d.]+)"), 1 - 4e-5**0.001, delta=6e-6)
