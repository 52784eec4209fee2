//! A region of the plane: points, paths, arrows and heat maps, with one scale on both axes.

use super::heat::Heat;
use super::look::{Drawing, PAGE_WIDTH};
use super::quiver::Arrows;
use super::ways::Stroke;
use super::{Bundle, Show, plane_plot};
use crate::Result;
use std::sync::Arc;

/// A picture of a region of the plane with one scale on both axes: a circle is round. Layers are drawn in the order in which
/// they are added; what is not finite, or outside the region, is left out.
///
/// ```
/// use noisebook::show::{Plane, Show};
/// let (xs, ys) = ([0.0, 1.0, 2.0], [1.0, 0.0, 1.0]);
/// let plane = Plane::new("three points").points("data", &xs, &ys).path(&xs, &ys);
/// assert!(plane.bundle()?.plain_text().contains("data: 3 points around (1, 0.6667)"));
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Plane {
    title: String,
    pub(super) x_label: String,
    pub(super) y_label: String,
    pub(super) x_range: Option<(f64, f64)>,
    pub(super) y_range: Option<(f64, f64)>,
    pub(super) size: Option<(u32, u32)>,
    pub(super) bare: bool,
    pub(super) layers: Vec<Layer>,
}

#[derive(Clone, Debug)]
pub(super) enum Layer {
    Points { name: String, xs: Arc<[f64]>, ys: Arc<[f64]> },
    Path { stroke: Stroke, xs: Arc<[f64]>, ys: Arc<[f64]> },
    Arrows(Arrows),
    Heat(Heat),
}

impl Plane {
    /// A picture with a title, which may be empty.
    ///
    /// ```
    /// let plane = noisebook::show::Plane::new("nothing yet");
    /// ```
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            x_label: String::new(),
            y_label: String::new(),
            x_range: None,
            y_range: None,
            size: None,
            bare: false,
            layers: Vec::new(),
        }
    }

    /// Sets the title.
    ///
    /// ```
    /// let plane = noisebook::show::Plane::new("").title("the first of two");
    /// ```
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Says what the horizontal axis shows.
    ///
    /// ```
    /// let plane = noisebook::show::Plane::new("").x_label("x\u{2081}");
    /// ```
    #[must_use]
    pub fn x_label(mut self, label: impl Into<String>) -> Self {
        self.x_label = label.into();
        self
    }

    /// Says what the vertical axis shows.
    ///
    /// ```
    /// let plane = noisebook::show::Plane::new("").y_label("x\u{2082}");
    /// ```
    #[must_use]
    pub fn y_label(mut self, label: impl Into<String>) -> Self {
        self.y_label = label.into();
        self
    }

    /// Adds points in a colour of their own; of more than 2,000 in one picture, about 2,000 are drawn, evenly spaced. Where there
    /// are several such layers their names stand beside the picture.
    ///
    /// ```
    /// let plane = noisebook::show::Plane::new("").points("a", &[0.0], &[1.0]).points("b", &[1.0], &[0.0]);
    /// ```
    #[must_use]
    pub fn points(self, name: impl Into<String>, xs: &[f64], ys: &[f64]) -> Self {
        self.with(Layer::Points { name: name.into(), xs: xs.into(), ys: ys.into() })
    }

    /// Adds a thin line through these points: a ring where it starts, a dot where it ends. All paths have one colour. Where a
    /// number is not finite the line has a gap; a line in pieces has neither ring nor dot, and so draws the edges of a graph.
    ///
    /// ```
    /// use noisebook::show::Plane;
    /// let way = Plane::new("a way").path(&[0.0, 1.0, 1.0], &[0.0, 0.0, 1.0]);
    /// let two_edges = Plane::new("").path(&[0.0, 1.0, f64::NAN, 0.0, 1.0], &[0.0, 0.0, f64::NAN, 1.0, 1.0]);
    /// ```
    #[must_use]
    pub fn path(self, xs: &[f64], ys: &[f64]) -> Self {
        self.stroke(Stroke::Thin, xs, ys)
    }

    /// Adds an arrow (u, v) at each point (x, y). All are scaled alike, so that the longest is as long as the arrows are apart;
    /// the picture says by how much.
    ///
    /// ```
    /// use noisebook::show::{Plane, Show};
    /// let field = Plane::new("").arrows(&[0.0, 1.0], &[0.0, 0.0], &[0.0, 4.0], &[1.0, 3.0]);
    /// assert!(field.bundle()?.plain_text().contains("2 arrows, the longest 5"));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn arrows(self, xs: &[f64], ys: &[f64], us: &[f64], vs: &[f64]) -> Self {
        self.with(Layer::Arrows(Arrows { xs: xs.into(), ys: ys.into(), us: us.into(), vs: vs.into(), longest: None }))
    }

    /// Draws arrows of this length as long as arrows are apart, and longer ones no longer: pictures side by side then have one
    /// scale, and a few long arrows do not make the others invisible.
    ///
    /// ```
    /// let field = noisebook::show::Plane::new("").arrows(&[0.0], &[0.0], &[3.0], &[4.0]).longest_arrow(2.5);
    /// ```
    #[must_use]
    pub fn longest_arrow(mut self, length: f64) -> Self {
        for layer in &mut self.layers {
            if let Layer::Arrows(arrows) = layer {
                arrows.longest = Some(length);
            }
        }
        self
    }

    /// Adds a heat map of `columns` x `rows` values over a region, row by row from the left and from below, with a bar of its
    /// colours and its name beside it. The lowest values are transparent.
    ///
    /// ```
    /// use noisebook::show::{Plane, Show};
    /// let plane = Plane::new("").heat("density", 2, 1, &[0.0, 3.0], (0.0, 2.0), (0.0, 1.0));
    /// assert!(plane.bundle()?.plain_text().contains("density: 2 x 1 cells, from 0 to 3, highest around (1.5, 0.5)"));
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn heat(
        self,
        name: impl Into<String>,
        columns: usize,
        rows: usize,
        values: &[f64],
        x_range: (f64, f64),
        y_range: (f64, f64),
    ) -> Self {
        let name = name.into();
        self.with(Layer::Heat(Heat { name, columns, rows, values: values.into(), x_range, y_range, shown: None }))
    }

    /// The values of the heat map at the two ends of its colours; by default its lowest and its highest value.
    ///
    /// ```
    /// # use noisebook::show::Plane;
    /// let plane = Plane::new("").heat("ln p", 2, 1, &[-400.0, 3.0], (0.0, 2.0), (0.0, 1.0)).heat_range(-10.0, 3.0);
    /// ```
    #[must_use]
    pub fn heat_range(mut self, low: f64, high: f64) -> Self {
        for layer in &mut self.layers {
            if let Layer::Heat(heat) = layer {
                heat.shown = Some((low, high));
            }
        }
        self
    }

    /// Shows at least this part of the horizontal axis; where the other axis needs the room, more.
    ///
    /// ```
    /// let plane = noisebook::show::Plane::new("").points("", &[9.0, 0.0], &[0.0, 0.0]).x_range(-3.0, 3.0);
    /// ```
    #[must_use]
    pub fn x_range(mut self, low: f64, high: f64) -> Self {
        self.x_range = Some((low, high));
        self
    }

    /// Shows at least this part of the vertical axis; where the other axis needs the room, more.
    ///
    /// ```
    /// let plane = noisebook::show::Plane::new("").points("", &[0.0, 0.0], &[9.0, 0.0]).y_range(-3.0, 3.0);
    /// ```
    #[must_use]
    pub fn y_range(mut self, low: f64, high: f64) -> Self {
        self.y_range = Some((low, high));
        self
    }

    /// Sets the size in pixels, title, notes and names below left out. By default a picture is 420 pixels wide where there is room, and as
    /// high as the region asks for.
    ///
    /// ```
    /// let plane = noisebook::show::Plane::new("").size(300, 300);
    /// ```
    #[must_use]
    pub fn size(mut self, width: u32, height: u32) -> Self {
        self.size = Some((width, height));
        self
    }

    /// Leaves out the numbers at the axes and the names beside the picture: for small pictures side by side.
    ///
    /// ```
    /// use noisebook::show::{Figure, Plane};
    /// let plane = |title: &str| Plane::new(title).x_range(-2.0, 2.0).y_range(-2.0, 2.0).bare();
    /// let row = Figure::row(["t = 0", "t = 1"].map(plane)).title("Both axes run from -2 to 2");
    /// ```
    #[must_use]
    pub fn bare(mut self) -> Self {
        self.bare = true;
        self
    }

    pub(super) fn with(mut self, layer: Layer) -> Self {
        self.layers.push(layer);
        self
    }

    /// The colour of each layer: one for each layer of points and each way that stands out, one for all other paths, one for all
    /// arrows.
    pub(super) fn colours(&self) -> Vec<usize> {
        let (mut next, mut paths, mut arrows) = (0, None, None);
        let mut new = || {
            next += 1;
            next - 1
        };
        self.layers
            .iter()
            .map(|layer| match layer {
                Layer::Points { .. } | Layer::Path { stroke: Stroke::Strong, .. } => new(),
                Layer::Path { stroke: Stroke::Faint, .. } => 0,
                Layer::Path { .. } => *paths.get_or_insert_with(&mut new),
                Layer::Arrows(_) => *arrows.get_or_insert_with(&mut new),
                Layer::Heat(_) => 0,
            })
            .collect()
    }

    /// The picture in a place of this width.
    pub(super) fn draw(&self, available: f64) -> Result<Drawing> {
        self.check()?;
        let drawn = plane_plot::draw(self, available)?;
        let text = self.in_words(&drawn);
        let alternative = format!("Picture of the plane. {}", text.replace('\n', "; "));
        let drawing = Drawing { width: drawn.width, height: drawn.height, body: drawn.body, text, alternative };
        Ok(drawing.titled(&self.title, available))
    }
}

impl Show for Plane {
    fn bundle(&self) -> Result<Bundle> {
        Ok(self.draw(PAGE_WIDTH)?.bundle())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn svg(plane: &Plane) -> String {
        plane.bundle().unwrap().get("image/svg+xml").unwrap().as_str().unwrap().to_string()
    }

    fn text(plane: &Plane) -> String {
        plane.bundle().unwrap().plain_text().to_string()
    }

    #[test]
    fn a_plane_says_everything_that_it_draws() {
        let plane = Plane::new("a < b")
            .x_label("x & y")
            .heat("p", 2, 2, &[0.0, 1.0, 2.0, f64::NAN], (0.0, 2.0), (0.0, 2.0))
            .points("one\"", &[0.0, 2.0, f64::NAN], &[0.0, 1.0, 0.0])
            .points("two", &[1.0], &[1.0])
            .path(&[0.0, 1.0, 2.0], &[0.0, 1.0, 0.5])
            .path(&[0.0, 2.0], &[1.0, 1.5])
            .arrows(&[0.5, 1.5], &[0.5, 0.5], &[3.0, 0.0], &[4.0, 0.0]);
        let svg = svg(&plane);
        for content in ["a &lt; b", "x &amp; y", "one&quot;", "two", "role=\"img\"", "<desc>", "<image", ">p<"] {
            assert!(svg.contains(content), "{content}\n{svg}");
        }
        for tag in ["g", "text", "svg", "desc"] {
            let opened = svg.matches(&format!("<{tag} ")).count() + svg.matches(&format!("<{tag}>")).count();
            assert_eq!(opened, svg.matches(&format!("</{tag}>")).count(), "{tag}");
        }
        assert!(!svg.contains("id=\"") && !svg.contains(">NaN") && !svg.contains("NaN\"") && !svg.contains("inf"));
        assert_eq!(
            text(&plane),
            "a < b\n\
             x & y from 0 to 2, y from 0 to 2, one scale on both axes\n\
             p: 2 x 2 cells, from 0 to 2, highest around (0.5, 1.5), 1 not finite (magenta)\n\
             one\": 3 points around (1, 0.5), 1 of them not drawn\n\
             two: 1 point around (1, 1)\n\
             2 paths of at most 3 points\n\
             2 arrows, the longest 5, drawn at 0.19 of their length"
        );
    }

    #[test]
    fn a_circle_is_round() {
        for (plane, size) in [
            (Plane::new("").points("", &[0.0, 9.0], &[0.0, 1.0]), None),
            (Plane::new("").points("", &[0.0, 1.0], &[0.0, 9.0]), None),
            (Plane::new("").points("", &[0.0, 1.0], &[0.0, 1.0]), Some((500, 200))),
            (Plane::new("").points("", &[0.0, 0.0], &[5.0, 5.0]), Some((200, 500))),
        ] {
            let plane = size.map_or(plane.clone(), |(width, height)| plane.clone().size(width, height));
            let layout = plane_plot::layout(&plane, 760.0);
            let (frame, x, y) = layout.places();
            let across = (x.high - x.low) / (frame.right - frame.left);
            let up = (y.high - y.low) / (frame.bottom - frame.top);
            assert!((across / up - 1.0).abs() < 1e-9, "{across} {up}");
            assert!((90.0..=1_000.0).contains(&(frame.bottom - frame.top)), "{frame:?}");
        }
    }

    #[test]
    fn a_crowd_is_sampled_and_says_so() {
        let xs: Vec<f64> = (0..10_000).map(|i| (f64::from(i) * 0.731).sin()).collect();
        let ys: Vec<f64> = (0..10_000).map(|i| (f64::from(i) * 1.137).cos()).collect();
        let plane = Plane::new("").points("a", &xs, &ys).points("b", &ys[..1_000], &xs[..1_000]);
        let svg = svg(&plane);
        assert!(svg.len() < 60_000, "{}", svg.len());
        let dots = svg.matches("h0").count();
        assert!((1_900..=2_001).contains(&dots), "{dots}");
        assert!(svg.contains("2,001 of 11,000 points drawn"));
    }

    #[test]
    fn a_path_in_pieces_has_no_ends() {
        let ends = |xs: &[f64]| {
            let drawn = svg(&Plane::new("").path(xs, &[0.0, 1.0, 0.0, 1.0, 0.0]));
            (drawn.matches("a1.8 1.8").count(), drawn.matches("h0").count())
        };
        assert_eq!(ends(&[0.0, 1.0, 2.0, 3.0, 4.0]), (2, 1)); // a ring is two arcs
        assert_eq!(ends(&[0.0, 1.0, f64::NAN, 3.0, 4.0]), (0, 0));
    }

    #[test]
    fn what_is_outside_is_counted() {
        let plane = Plane::new("").points("a", &[0.0, 0.5, 99.0], &[0.0, 0.5, 0.0]).x_range(0.0, 1.0).y_range(0.0, 1.0);
        assert!(text(&plane.size(300, 300)).contains("a: 3 points around (33.17, 0.1667), 1 of them not drawn"));
    }

    #[test]
    fn nothing_to_draw_is_said_in_the_frame() {
        for plane in [Plane::new(""), Plane::new("").points("a", &[f64::NAN], &[0.0]), Plane::new("").path(&[], &[])] {
            assert!(svg(&plane).contains("nothing to draw"), "{plane:?}");
        }
    }
}
