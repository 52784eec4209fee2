"""notebooks/05-the-unet-and-its-training.ipynb"""

import gzip
import math
import re

from course import ROOT, Executed, whole_run


class UNetTensors:
    """The weights of the course's U-Net, counted from the shapes of its layers."""

    def __init__(self, base, classes=10):
        self.parameters, self.tensors = 0, 0
        self.reached = 0  # tensors with a gradient when conv_out alone is not zero any more
        width = 4 * base
        self.linear(base, width)
        self.linear(width, width)
        self.add((classes + 1) * width, 1)
        self.conv(1, base, reached=True)
        half, full = base, 2 * base
        self.block(half, half, width)
        self.conv(half, half, reached=True)
        self.block(half, full, width)
        self.attention(full)
        self.conv(full, full, reached=True)
        self.block(full, full, width)
        self.block(full, full, width)  # the middle
        self.attention(full)
        self.block(full, full, width)
        for skip in (full, full):
            self.block(full + skip, full, width)
        self.conv(full, full, reached=True)
        for skip in (full, half):
            self.block(full + skip, full, width)
            self.attention(full)
        self.conv(full, full, reached=True)
        for before in (full, half):
            self.block(before + half, half, width)
        self.add(2 * half, 2, reached=True)  # norm_out
        self.conv(half, 1, reached=True)

    def add(self, numbers, tensors, reached=False):
        self.parameters += numbers
        self.tensors += tensors
        self.reached += tensors if reached else 0

    def linear(self, inputs, outputs, reached=False):
        self.add(inputs * outputs + outputs, 2, reached)

    def conv(self, inputs, outputs, size=3, reached=False):
        self.add(inputs * outputs * size * size + outputs, 2, reached)

    def block(self, inputs, outputs, width):
        self.add(2 * inputs, 2)
        self.conv(inputs, outputs)
        self.linear(width, outputs)
        self.add(2 * outputs, 2)
        self.conv(outputs, outputs, reached=True)  # starts as zeros: it gets a gradient, what lies before it does not
        if inputs != outputs:
            self.conv(inputs, outputs, size=1, reached=True)

    def attention(self, channels):
        self.add(2 * channels, 2)
        self.linear(channels, 3 * channels)
        self.linear(channels, channels, reached=True)


def article_parameters(channels, classes):
    """The article's network, from the shapes in its code."""

    def double(inputs, outputs, middle):
        return 9 * inputs * middle + 2 * middle + 9 * middle * outputs + 2 * outputs

    def attention(width):
        return 2 * width + 4 * (width * width + width) + 2 * width + 2 * (width * width + width)

    total = double(channels, 64, 64) + 2 * double(256, 256, 256) + 64 * channels + channels + 256 * classes
    for inputs, outputs in [(64, 128), (128, 256), (256, 256)]:
        total += double(inputs, inputs, inputs) + double(inputs, outputs, outputs) + 257 * outputs + attention(outputs)
    for inputs, outputs in [(512, 128), (256, 64), (128, 64)]:
        total += double(inputs, inputs, inputs) + double(inputs, outputs, inputs // 2) + 257 * outputs + attention(outputs)
    return total


def silent_loss():
    """The mean of v^2 over the levels of the cosine schedule, for the digits."""
    pixels = gzip.decompress((ROOT / "src/data/digits/images.idx3.gz").read_bytes())[16:]
    square = sum((pixel / 8 - 1) ** 2 for pixel in pixels) / len(pixels)
    share, total = 1.0, 0.0
    for level in range(1000):
        left, before = (math.cos((i / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2 for i in (level + 1, level))
        share *= 1 - min(1 - left / before, 0.999)
        total += share + (1 - share) * square
    return total / 1000


class TheUNetAndItsTraining(Executed):
    notebook = "05-the-unet-and-its-training.ipynb"
    # Time, training step, training, loss by level, denoising, samples by epoch, learning rate, three short trainings.
    pictures = 8

    def test_it_counts_the_weights(self):
        net = UNetTensors(16)
        self.assertEqual(self.printed(r"conv_in by hand: (\d+)"), 16 * 9 + 16)
        self.assertEqual(self.printed(r"parameters: (\d+)"), net.parameters)
        self.assertEqual(self.printed(r"the article's parameters: (\d+)"), article_parameters(3, 10))

    def test_a_new_network_says_nothing(self):
        self.assertEqual(self.printed(r"largest number in it: ([\d.]+)"), 0)
        # Levels and noise are drawn, 1,617 times.
        self.assertAlmostEqual(self.printed(r"loss of a network that says 0: ([\d.]+)"), silent_loss(), delta=0.02)

    def test_gradients_come_to_life_from_the_end(self):
        net = UNetTensors(16)
        self.assertEqual(self.printed(r"tensors with a gradient: (\d+)"), 2)
        self.assertEqual(self.printed(r"tensors with a gradient: \d+ of (\d+)"), net.tensors)
        alive = [self.printed(rf"after step {step}: (\d+)") for step in (1, 2, 3)]
        self.assertEqual(alive, [net.reached, net.tensors, net.tensors])

    def test_a_step_by_hand_lowers_the_loss(self):
        before, after = (self.printed(rf"loss {when} the step: ([\d.]+)") for when in ("before", "after"))
        self.assertLess(after, before - 0.01)

    def test_files_bring_everything_back(self):
        self.assertEqual(self.printed(r"largest difference after loading: ([\d.e-]+)"), 0)
        self.assertEqual(self.printed(r"largest difference of the losses: ([\d.e-]+)"), 0)

    def test_failures_say_why(self):
        self.assertRegex(self.all_text(), r"of step \d+ = \S+: .*try a lower learning rate, or clip_norm\(1\.0\)")
        self.assertRegex(self.all_text(), r"= NaN: .*a sample of this batch is not finite")

    def test_the_articles_network_starts_above_1(self):
        self.assertTrue(1 < self.printed(r"first loss of the article's network: ([\d.]+)") < 2)

    @whole_run
    def test_training_comes_near_the_floor_and_not_below(self):
        weights = self.printed(r"validation loss of the weights: ([\d.]+)")
        average = self.printed(r"validation loss of their average: ([\d.]+)")
        floor = self.printed(r"ideal denoiser: (\d\.\d+)")
        self.assertLess(average, weights)
        self.assertTrue(0.05 < floor < average < 0.26, (floor, average))
        self.assertLess(self.printed(r"clipped steps: (\d+)"), 80)


class Solutions(Executed):
    notebook = "solutions/05-the-unet-and-its-training.ipynb"
    # Loss by level and training, two trainings to fine-tune, fives, threes.
    pictures = 4

    def test_twice_the_channels(self):
        wide, net = UNetTensors(32), UNetTensors(16)
        self.assertEqual(self.printed(r"parameters of the wide network: (\d+)"), wide.parameters)
        self.assertAlmostEqual(self.printed(r"factor: ([\d.]+)"), wide.parameters / net.parameters, delta=0.006)

    def test_noise_has_variance_1(self):
        # 1,617 x 64 numbers: four standard errors.
        error = 4 * math.sqrt(2 / (1617 * 64))
        self.assertAlmostEqual(self.printed(r"noise: loss of a network that says 0: ([\d.]+)"), 1, delta=error + 1e-4)

    def test_the_average_by_hand(self):
        self.assertLess(self.printed(r"average by hand: off by at most ([\d.e-]+)"), 1e-5)

    def test_parts_add_up(self):
        found = re.findall(r"in \d: losses \[([^\]]*)\]", self.all_text())
        whole, parts = ([float(loss) for loss in losses.split(",")] for losses in found)
        self.assertEqual(len(whole), 5)
        for one, other in zip(whole, parts):
            self.assertAlmostEqual(one, other, delta=1e-3)

    def test_what_is_frozen_stays(self):
        for part, moves in [("conv_in", False), ("down", False), ("middle", True), ("up", True), ("conv_out", True)]:
            self.assertEqual(self.printed(rf"{part} moved by at most ([\d.]+)") > 0, moves, part)
