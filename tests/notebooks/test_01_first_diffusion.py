"""notebooks/01-first-diffusion.ipynb"""

from course import Executed


class FirstDiffusion(Executed):
    """The course's beginning, which `make demo` runs too."""

    notebook = "01-first-diffusion.ipynb"
    # Digits, curves, forward strip, training, loss, samples, trajectory.
    pictures = 7
    always_whole = True

    def test_the_training_figure_is_updated_while_the_cell_is_busy(self):
        training = [run for run, cell in zip(self.run_.cells, self.cells) if ".fit(" in cell.source]
        self.assertEqual(len(training), 1, "one cell should call fit")
        updates, seconds = training[0].updates, training[0].seconds
        self.assertGreaterEqual(len(updates), 10)
        # Not all in one burst when the cell ends, either.
        early = [at for at in updates if at < 0.9 * seconds]
        self.assertGreaterEqual(len(early), 10, f"updates at {updates} of {seconds:.1f} s")

    def test_it_learned_to_write_the_digit_that_was_asked_for(self):
        self.assertGreaterEqual(self.printed(r"asked-for label found: ([\d.]+)% of 200\b"), 90.0)

    def test_the_samples_are_no_copies(self):
        self.assertGreaterEqual(self.printed(r"median distance ratio: ([\d.]+)"), 0.9)
