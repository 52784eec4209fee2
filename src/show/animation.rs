//! Figures one after another in one picture that moves.

use super::grid::evenly;
use super::look::{Drawing, PAGE_WIDTH};
use super::{Bundle, Figure, Show, grouped};
use crate::{Error, Result};

/// A notebook holds what it shows: a larger animation leaves out frames.
const MOST_BYTES: usize = 1_900_000;

/// How long a frame is seen, in seconds, and how much longer the last.
const FRAME: f64 = 0.2;
const REST: f64 = 1.5;

/// Figures one after another, again and again. It is a drawing that needs no script: it moves in a notebook that Jupyter does
/// not trust, in exported HTML and on a page of a code host; where nothing moves, on paper too, the last figure stands.
///
/// ```
/// use noisebook::show::{Animation, Chart, Figure, Show};
/// let frame = |last: u32| {
///     let xs: Vec<f64> = (0..=last).map(f64::from).collect();
///     Figure::column([Chart::new(format!("{last} squared")).line("", &xs, &xs.iter().map(|x| x * x).collect::<Vec<_>>())])
/// };
/// let animation = Animation::new((1..6).map(frame)).title("Squares");
/// assert!(animation.bundle()?.plain_text().starts_with("Squares\nAnimation of 5 figures in 2.5 s, the last:\n"));
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Animation {
    frames: Vec<Figure>,
    title: String,
}

impl Animation {
    /// An animation of these figures, at most as many as make 2 MB: of more, some are shown, evenly spaced.
    ///
    /// ```
    /// use noisebook::show::{Animation, Chart, Figure};
    /// let animation = Animation::new([Figure::column([Chart::new("one")]), Figure::column([Chart::new("two")])]);
    /// ```
    #[must_use]
    pub fn new(frames: impl IntoIterator<Item = Figure>) -> Self {
        Self { frames: frames.into_iter().collect(), title: String::new() }
    }

    /// Sets the title of the whole.
    ///
    /// ```
    /// use noisebook::show::{Animation, Chart, Figure};
    /// let animation = Animation::new([Figure::column([Chart::new("one")])]).title("Only one");
    /// ```
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    fn draw(&self) -> Result<Drawing> {
        if self.frames.is_empty() {
            return Err(Error::argument("frames", 0, "an animation has at least one figure"));
        }
        let drawings = self.frames.iter().map(|frame| frame.draw(PAGE_WIDTH)).collect::<Result<Vec<_>>>()?;
        let mut shown = evenly(drawings.len(), drawings.len());
        while shown.len() > 2 && shown.iter().map(|&index| drawings[index].body.len()).sum::<usize>() > MOST_BYTES {
            shown = evenly(drawings.len(), shown.len() * 3 / 4);
        }
        let seconds = FRAME * shown.len() as f64 + REST;
        let mut body = String::new();
        for (place, &index) in shown.iter().enumerate() {
            body += &moment(&drawings[index].body, place, shown.len(), seconds);
        }
        let of = if shown.len() < drawings.len() { format!("{} of ", shown.len()) } else { String::new() };
        let many = if drawings.len() == 1 { "figure" } else { "figures" };
        let last = &drawings[drawings.len() - 1];
        let head = format!("Animation of {of}{} {many} in {seconds:.1} s, the last:", grouped(drawings.len()));
        let most = |side: fn(&Drawing) -> f64| drawings.iter().map(side).fold(0.0, f64::max);
        let drawing = Drawing {
            width: most(|drawing| drawing.width),
            height: most(|drawing| drawing.height),
            body,
            text: format!("{head}\n{}", last.text),
            alternative: format!("{head} {}", last.alternative),
        };
        Ok(drawing.titled(&self.title, PAGE_WIDTH))
    }
}

/// A frame that is seen at its place of so many alone. (SMIL, which browsers animate in pictures too. It changes an attribute
/// that the last frame does not have, so that it is the one that is seen where nothing moves.)
fn moment(body: &str, place: usize, count: usize, seconds: f64) -> String {
    let at = |place: usize| format!("{:.4}", FRAME * place as f64 / seconds);
    let (values, times) = match (place, place + 1 == count) {
        (0, true) => return format!("<g>\n{body}</g>\n"),
        (0, false) => ("inline;none".to_string(), format!("0;{}", at(1))),
        (_, true) => ("none;inline".to_string(), format!("0;{}", at(place))),
        (_, false) => ("none;inline;none".to_string(), format!("0;{};{}", at(place), at(place + 1))),
    };
    let still = if place + 1 == count { "" } else { " display=\"none\"" };
    format!(
        "<g{still}>\n<animate attributeName=\"display\" values=\"{values}\" keyTimes=\"{times}\" dur=\"{seconds:.1}s\" \
         calcMode=\"discrete\" repeatCount=\"indefinite\"/>\n{body}</g>\n"
    )
}

impl Show for Animation {
    fn bundle(&self) -> Result<Bundle> {
        Ok(self.draw()?.bundle())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{Chart, Grid};
    use super::*;
    use tch::{Device, Kind, Tensor};

    fn svg(animation: &Animation) -> String {
        animation.bundle().unwrap().get("image/svg+xml").unwrap().as_str().unwrap().to_string()
    }

    #[test]
    fn one_frame_is_seen_at_a_time_and_the_last_where_nothing_moves() {
        let frame = |name: &str| Figure::column([Chart::new(name).line("", &[0.0, 1.0], &[0.0, 1.0])]);
        let svg = svg(&Animation::new(["a", "b", "c"].map(frame)));
        // 3 x 0.2 s and 1.5 s: the second begins at 0.2/2.1 and ends at 0.4/2.1.
        for times in [
            "values=\"inline;none\" keyTimes=\"0;0.0952\"",
            "\"0;0.0952;0.1905\"",
            "\"none;inline\" keyTimes=\"0;0.1905\"",
        ] {
            assert_eq!(svg.matches(times).count(), 1, "{times}");
        }
        assert_eq!((svg.matches("<g display=\"none\">").count(), svg.matches("dur=\"2.1s\"").count()), (2, 3));
        assert_eq!(svg.matches("<g").count(), svg.matches("</g>").count());
    }

    /// Noise is what no compression makes smaller.
    #[test]
    fn it_stays_under_two_megabytes_and_says_what_it_leaves_out() {
        let frame = |_| {
            let images = Tensor::rand([16, 3, 64, 64], (Kind::Float, Device::Cpu)) * 2 - 1;
            Figure::column([Grid::new(&images).unwrap()])
        };
        let animation = Animation::new((0..30).map(frame));
        assert!(svg(&animation).len() < 2_000_000);
        let text = animation.bundle().unwrap().plain_text().to_string();
        assert!(text.starts_with("Animation of ") && text.contains(" of 30 figures in "), "{text}");
    }

    #[test]
    fn nothing_is_refused() {
        let error = Animation::new([]).bundle().unwrap_err().to_string();
        assert_eq!(error, "frames = 0: an animation has at least one figure");
    }
}
