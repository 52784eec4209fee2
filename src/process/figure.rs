//! What noised samples look like.

use super::noise::{Noising, Strip};
use super::walk::Walk;
use crate::Result;
use crate::show::{Bundle, Cloud, Figure, Grid, Show, evenly, grouped, sheet};
use tch::Tensor;

/// So many levels stand side by side.
const COLUMNS: usize = 8;
/// Of a batch at most so many images and levels are drawn.
const BATCH: (usize, usize) = (8, 10);

impl Show for Strip {
    fn bundle(&self) -> Result<Bundle> {
        let (name, way) = (self.schedule.name(), self.way);
        let is_batch = self.images.dim() == 5;
        let count = self.levels.len();
        let shown = evenly(count, if is_batch { BATCH.1.min(count) } else { count });
        let mut captions = Vec::with_capacity(shown.len());
        let mut drawn = Vec::with_capacity(shown.len());
        for index in shown {
            let level = self.levels[index];
            let t = self.schedule.time(level)?;
            captions.push(format!("{level}: {:.0}%", 100.0 * self.schedule.image_share(t)));
            // Where the variance explodes all would be black and white: an image is drawn at the scale of the first.
            let scale = self.schedule.alpha(t).hypot(self.schedule.sigma(t)).max(1.0);
            let mut images = self.images.f_get(index as i64)?;
            if is_batch {
                images = images.f_narrow(0, 0, images.size()[0].min(BATCH.0 as i64))?;
            }
            drawn.push(images.f_div_scalar(scale)?);
        }
        if self.images.dim() == 3 {
            let times = self.levels.iter().map(|&level| self.schedule.time(level)).collect::<Result<Vec<_>>>()?;
            let explodes = times.iter().any(|&t| self.schedule.alpha(t).hypot(self.schedule.sigma(t)) > 1.0 + 1e-9);
            let scale = if explodes { ", each over the root of alpha\u{b2} + sigma\u{b2}" } else { "" };
            return points(&drawn, &captions, &format!("Points noised {way}, {name} schedule{scale}"))?.bundle();
        }
        let title = format!("Noised {way}, {name} schedule: level, and the image's share of the variance");
        if is_batch {
            return self.batch(&drawn, captions, title)?.bundle();
        }
        let columns = count.min(COLUMNS);
        Grid::new(&Tensor::f_stack(&drawn, 0)?)?.columns(columns).captions(captions).title(title).bundle()
    }
}

impl Strip {
    /// A row an image, a column a level.
    fn batch(&self, drawn: &[Tensor], captions: Vec<String>, title: String) -> Result<Grid> {
        let (columns, rows) = (drawn.len(), drawn[0].size()[0] as usize);
        let part = |shown: usize, all: usize, what: &str| {
            if shown < all { format!("; {shown} of {} {what}", grouped(all)) } else { String::new() }
        };
        let few = part(rows, self.images.size()[1] as usize, "images") + &part(columns, self.levels.len(), "levels");
        let images = Tensor::f_stack(drawn, 1)?.f_flatten(0, 1)?;
        let mut below = vec![String::new(); columns * (rows - 1)];
        below.extend(captions);
        Ok(Grid::new(&images)?.columns(columns).captions(below).title(title + &few))
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
    fn a_batch_is_drawn_as_a_row_an_image() {
        let (schedule, digits) = (Schedule::linear(1_000).unwrap(), Dataset::digits().unwrap());
        let said = |size, levels: &[usize]| {
            let strip = schedule.noise(&digits.batch(size, 0).unwrap().images).at(levels.iter().copied()).unwrap();
            strip.bundle().unwrap().plain_text().to_string()
        };
        let all = said(3, &[0, 999]);
        let title = "Noised in one jump, linear schedule: level, and the image's share of the variance";
        let grid = "6 images of 8 x 8 pixels, grey, 2 a row";
        assert!(all.starts_with(&format!("{title}\n{grid}\n")), "{all}");
        assert!(all.contains("0: 100%, 999: 0%"), "{all}");
        let some = said(20, &[0, 500, 999]);
        assert!(some.starts_with(&format!("{title}; 8 of 20 images\n24 images")), "{some}");
        let long = said(2, &(0..40).collect::<Vec<usize>>());
        assert!(long.starts_with(&format!("{title}; 10 of 40 levels\n20 images")), "{long}");
        let walk = Schedule::linear(2_000).unwrap().walk(&digits.batch(20, 0).unwrap().images).every(1).unwrap();
        let text = walk.bundle().unwrap().plain_text().to_string();
        assert!(text.contains("; 8 of 20 images; 10 of 2,000 levels\n80 images"), "{text}");
    }

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
