//! What noised samples look like.

use super::noise::{Noising, Strip};
use super::walk::Walk;
use crate::Result;
use crate::show::{Bundle, Cloud, Figure, Grid, Show, sheet};
use tch::Tensor;

impl Show for Strip {
    fn bundle(&self) -> Result<Bundle> {
        let (name, way) = (self.schedule.name(), self.way);
        let mut captions = Vec::with_capacity(self.levels.len());
        let mut drawn = Vec::with_capacity(self.levels.len());
        for (index, &level) in self.levels.iter().enumerate() {
            let t = self.schedule.time(level)?;
            captions.push(format!("{level}: {:.0}%", 100.0 * self.schedule.image_share(t)));
            // Where the variance explodes all would be black and white: an image is drawn at the scale of the first.
            let scale = self.schedule.alpha(t).hypot(self.schedule.sigma(t)).max(1.0);
            drawn.push(self.images.f_get(index as i64)?.f_div_scalar(scale)?);
        }
        if self.images.dim() == 3 {
            let times = self.levels.iter().map(|&level| self.schedule.time(level)).collect::<Result<Vec<_>>>()?;
            let explodes = times.iter().any(|&t| self.schedule.alpha(t).hypot(self.schedule.sigma(t)) > 1.0 + 1e-9);
            let scale = if explodes { ", each over the root of alpha\u{b2} + sigma\u{b2}" } else { "" };
            return points(&drawn, &captions, &format!("Points noised {way}, {name} schedule{scale}"))?.bundle();
        }
        let title = format!("Noised {way}, {name} schedule: level, and the image's share of the variance");
        Grid::new(&Tensor::f_stack(&drawn, 0)?)?
            .columns(self.levels.len().min(8))
            .captions(captions)
            .title(title)
            .bundle()
    }
}

impl Show for Noising {
    fn bundle(&self) -> Result<Bundle> {
        Ok(Bundle::text("To be noised in one jump: say at which levels, .at([0, 250, 500, 999])"))
    }
}

impl Show for Walk {
    fn bundle(&self) -> Result<Bundle> {
        Ok(Bundle::text("To be noised step by step: say which levels to keep, .every(250)"))
    }
}

/// Sets of points side by side.
fn points(sets: &[Tensor], captions: &[String], title: &str) -> Result<Figure> {
    let clouds = sets.iter().map(|set| Cloud::new(set, None, &[])).collect::<Result<Vec<_>>>()?;
    Ok(sheet(&clouds, captions, 5, &format!("{title}: level, and the data's share of the variance")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dataset, Schedule};

    #[test]
    fn points_are_drawn_as_a_row_of_scatters() {
        let points = Dataset::moons(50, 0.05).unwrap().images();
        let schedule = Schedule::linear(1_000).unwrap();
        for (strip, way) in [
            (schedule.noise(&points).at([0, 999]).unwrap(), "in one jump"),
            (schedule.walk(&points).every(999).unwrap(), "as the Markov chain"),
        ] {
            let bundle = strip.bundle().unwrap();
            let text = bundle.plain_text();
            assert!(text.starts_with(&format!("Points noised {way}, linear schedule: level")), "{text}");
            assert!(text.contains("\n0: 100%\n") && text.contains("\n999: 0%\n"), "{text}");
            assert_eq!(text.matches("50 points around").count(), strip.levels().len(), "{text}");
        }
    }
}
