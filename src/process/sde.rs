//! The forward process in ever smaller steps: the SDE dx = f x dt + g dw, Song et al. 2021.

use crate::Schedule;
use crate::show::Chart;

impl Schedule {
    /// Draws the SDE dx = f x dt + g dw of this schedule: -f, the rate at which the image fades, and g^2, the rate at which
    /// the noise's variance comes in, against time. Numbers: [`drift`](Self::drift), [`diffusion`](Self::diffusion). Where
    /// noise explodes nothing fades, and f = 0 is not drawn.
    ///
    /// ```
    /// use noisebook::prelude::*;
    /// let chart = Schedule::vp(1_000)?.sde();
    /// assert!(chart.bundle()?.plain_text().contains("g\u{b2}: 1,000 points, from 0.1199 to 20")); // beta = 0.1 + 19.9 t
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn sde(&self) -> Chart {
        let (t, fading) = self.curve(|t| -self.drift(t));
        let (_, noising) = self.curve(|t| self.diffusion(t).powi(2));
        Chart::new(format!("dx = f x dt + g dw of the {} schedule", self.name()))
            .x_label("time t")
            .y_label("rate per unit of t")
            .line("fading -f", &t, &fading)
            .line("noise g\u{b2}", &t, &noising)
            .log_y()
    }
}
