//! Images in rows and columns, with captions.

use super::axis::grouped;
use super::look::{Drawing, LABEL_SIZE, PAGE_WIDTH, shorten, text, text_width};
use super::mosaic::{Layout, Tiles};
use super::{Bundle, Show, pixels};
use crate::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;
use tch::Tensor;

/// More images than this are a crowd: a sample of them is shown.
pub(super) const MOST_IMAGES: usize = 100;

/// The PNG has this many pixels for one of the page's, so that it is sharp on dense screens.
const DENSITY: usize = 2;

const GAP: f64 = 4.0;
const CAPTION_LINE: f64 = 17.0;
const WIDEST_CAPTION: f64 = 110.0;
const WIDEST_ROW_LABEL: f64 = 130.0;
const LARGEST_SCALE: u32 = 64;
const MOST_PIXELS: usize = 50_000_000;

/// Images in rows and columns, enlarged without blur, with captions below them and labels beside the rows.
///
/// ```
/// use noisebook::show::{Grid, Show};
/// use tch::{Device, Kind, Tensor};
/// let images = Tensor::rand([3, 1, 8, 8], (Kind::Float, Device::Cpu)) * 2 - 1;
/// let grid = Grid::new(&images)?.captions(vec!["t = 0".into(), "t = 100".into(), "t = 200".into()]).title("More noise");
/// assert!(grid.bundle()?.plain_text().starts_with("More noise\n3 images of 8 x 8 pixels, grey"));
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Grid {
    tiles: Arc<Tiles>,
    /// How many images there were, and which of them are shown.
    total: usize,
    shown: Arc<[usize]>,
    colour: &'static str,
    height: i64,
    width: i64,
    not_finite: usize,
    columns: Option<usize>,
    captions: Option<Vec<String>>,
    row_labels: Vec<String>,
    title: String,
    scale: Option<u32>,
}

impl Grid {
    /// Images of shape N x C x H x W with values in [-1, 1], with 1 or 3 channels, of any float kind, on any device.
    /// What lies outside the range is drawn as its nearest end; what is not finite is drawn in magenta and counted.
    /// Of more than 100 images, 100 are shown, evenly spaced.
    ///
    /// ```
    /// use noisebook::show::Grid;
    /// use tch::{Device, Kind, Tensor};
    /// let grid = Grid::new(&Tensor::zeros([2, 3, 4, 4], (Kind::Float, Device::Cpu)))?;
    /// let error = Grid::new(&Tensor::zeros([2, 5], (Kind::Float, Device::Cpu))).unwrap_err();
    /// assert_eq!(error.to_string(), "images = a tensor of shape 2 x 5: a grid takes N x C x H x W, C 1 or 3");
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn new(images: &Tensor) -> Result<Self> {
        let total = pixels::check(images)?;
        let shown = evenly(total, MOST_IMAGES);
        let drawn = pixels::tiles(images, &shown, largest(shown.len()))?;
        let size = images.size();
        Ok(Self {
            colour: if size[1] == 1 { "grey" } else { "colour" },
            height: size[2],
            width: size[3],
            not_finite: drawn.not_finite,
            tiles: Arc::new(drawn.tiles),
            total,
            shown: shown.into(),
            columns: None,
            captions: None,
            row_labels: Vec::new(),
            title: String::new(),
            scale: None,
        })
    }

    /// Sets the number of columns. By default a grid is as wide as reads well.
    ///
    /// ```
    /// # use tch::{Device, Kind, Tensor};
    /// # let images = Tensor::zeros([6, 1, 4, 4], (Kind::Float, Device::Cpu));
    /// let grid = noisebook::show::Grid::new(&images)?.columns(3);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn columns(mut self, columns: usize) -> Self {
        self.columns = Some(columns);
        self
    }

    /// Writes a caption below each image: one for every image, also for those that are left out.
    ///
    /// ```
    /// # use tch::{Device, Kind, Tensor};
    /// # let images = Tensor::zeros([2, 1, 4, 4], (Kind::Float, Device::Cpu));
    /// let grid = noisebook::show::Grid::new(&images)?.captions(vec!["3".into(), "7".into()]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn captions(mut self, captions: Vec<String>) -> Self {
        self.captions = Some(captions);
        self
    }

    /// Writes a label on the left of each row.
    ///
    /// ```
    /// # use tch::{Device, Kind, Tensor};
    /// # let images = Tensor::zeros([8, 1, 4, 4], (Kind::Float, Device::Cpu));
    /// let grid = noisebook::show::Grid::new(&images)?.columns(4).row_labels(vec!["x_t".into(), "predicted x_0".into()]);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn row_labels(mut self, labels: Vec<String>) -> Self {
        self.row_labels = labels;
        self
    }

    /// Sets the title.
    ///
    /// ```
    /// # use tch::{Device, Kind, Tensor};
    /// # let images = Tensor::zeros([2, 1, 4, 4], (Kind::Float, Device::Cpu));
    /// let grid = noisebook::show::Grid::new(&images)?.title("Two of the digits");
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Sets how many pixels of the page each pixel of an image takes. By default an image is about 60 pixels wide.
    ///
    /// ```
    /// # use tch::{Device, Kind, Tensor};
    /// # let images = Tensor::zeros([2, 1, 4, 4], (Kind::Float, Device::Cpu));
    /// let grid = noisebook::show::Grid::new(&images)?.scale(10);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn scale(mut self, pixels: u32) -> Self {
        self.scale = Some(pixels);
        self
    }

    /// The grid in a place of this width.
    pub(super) fn draw(&self, available: f64) -> Result<Drawing> {
        Ok(self.draw_with_png(available)?.0)
    }

    /// The drawing, and the images in it as the bytes of a PNG with their size on the page.
    fn draw_with_png(&self, available: f64) -> Result<(Drawing, Vec<u8>, (u32, u32))> {
        self.check()?;
        let sheet = Sheet::new(self, available);
        self.check_sheet(&sheet.layout)?;
        let png = self.tiles.png(&sheet.layout)?;
        let (width, height) = self.tiles.size(&sheet.layout);
        let (width, height) = (width as f64 / DENSITY as f64, height as f64 / DENSITY as f64);

        let mut body = format!(
            "<image x=\"{}\" y=\"0\" width=\"{width}\" height=\"{height}\" style=\"image-rendering:pixelated\" \
             href=\"data:image/png;base64,{}\"/>\n",
            sheet.left,
            STANDARD.encode(&png)
        );
        body += &sheet.captions;
        body += &sheet.row_labels;
        let mut bottom = height + if self.captions.is_some() { CAPTION_LINE } else { 0.0 };
        let mut right = (sheet.left + width).max(sheet.right);
        for note in self.notes() {
            bottom += CAPTION_LINE;
            right = right.max(text_width(&note, LABEL_SIZE));
            body += &text(0.0, bottom, "start", &note);
        }
        let height_with_text = bottom + 5.0;
        let text = self.in_words(sheet.layout.columns);
        let alternative = text.replace('\n', "; ");
        let drawing = Drawing { width: right, height: height_with_text, body, text, alternative };
        Ok((drawing.titled(&self.title), png, (width.ceil() as u32, height.ceil() as u32)))
    }

    fn check(&self) -> Result<()> {
        if let Some(captions) = &self.captions
            && captions.len() != self.total
        {
            let rule = format!("one for each of the {} images", self.total);
            return Err(Error::argument("captions", captions.len(), rule));
        }
        if self.columns.is_some_and(|columns| !(1..=1_000).contains(&columns)) {
            return Err(Error::argument("columns", self.columns.unwrap_or_default(), "from 1 to 1,000"));
        }
        if self.scale.is_some_and(|scale| !(1..=LARGEST_SCALE).contains(&scale)) {
            return Err(Error::argument("scale", self.scale.unwrap_or_default(), format!("from 1 to {LARGEST_SCALE}")));
        }
        Ok(())
    }

    fn check_sheet(&self, layout: &Layout) -> Result<()> {
        let (columns, (width, height)) = (layout.columns, self.tiles.size(layout));
        if width * height > MOST_PIXELS {
            let rule = "less: the picture would not fit into a page";
            return Err(Error::argument("scale", self.scale.unwrap_or(1), rule));
        }
        let rows = self.tiles.count.div_ceil(columns);
        if self.row_labels.len() > rows {
            let rule = format!("one for each of the {rows} rows of {columns} images");
            return Err(Error::argument("row_labels", self.row_labels.len(), rule));
        }
        Ok(())
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.tiles.count < self.total {
            notes.push(format!("{} of {} images, evenly spaced", self.tiles.count, grouped(&self.total.to_string())));
        }
        if self.tiles.width < self.width as usize || self.tiles.height < self.height as usize {
            notes.push(format!("drawn at {} x {} pixels", self.tiles.height, self.tiles.width));
        }
        if self.not_finite > 0 {
            let count = grouped(&self.not_finite.to_string());
            notes.push(format!("magenta: {count} values are not finite (NaN or infinite)"));
        }
        notes
    }

    fn in_words(&self, columns: usize) -> String {
        let (count, width, height) = (self.tiles.count, self.width, self.height);
        let many = if count == 1 { "image" } else { "images" };
        let mut lines = vec![format!("{count} {many} of {height} x {width} pixels, {}, {columns} a row", self.colour)];
        let captions = self.shown_captions();
        for (row, labels) in captions.chunks(columns).enumerate() {
            let name = self.row_labels.get(row).map_or(String::new(), |label| format!("{label}: "));
            lines.push(format!("{name}{}", labels.join(", ")));
        }
        if captions.is_empty() && !self.row_labels.is_empty() {
            lines.push(format!("rows: {}", self.row_labels.join(", ")));
        }
        lines.extend(self.notes());
        lines.join("\n")
    }

    fn shown_captions(&self) -> Vec<&str> {
        let Some(captions) = &self.captions else { return Vec::new() };
        self.shown.iter().filter_map(|&index| captions.get(index)).map(String::as_str).collect()
    }
}

/// Where everything of a grid lies on the page.
struct Sheet {
    layout: Layout,
    left: f64,
    right: f64,
    captions: String,
    row_labels: String,
}

impl Sheet {
    fn new(grid: &Grid, available: f64) -> Self {
        let (count, tile) = (grid.tiles.count, (grid.tiles.width, grid.tiles.height));
        let enlarged = enlarged(count, tile, grid.scale);
        let (width, height) = (size(tile.0, enlarged), size(tile.1, enlarged));
        let captions = grid.shown_captions();
        let widest = |labels: &mut dyn Iterator<Item = &str>, most: f64| {
            labels.map(|label| text_width(label, LABEL_SIZE)).fold(0.0, f64::max).min(most)
        };
        let caption_width = widest(&mut captions.iter().copied(), WIDEST_CAPTION.max(width));
        let label_width = widest(&mut grid.row_labels.iter().map(String::as_str), WIDEST_ROW_LABEL);
        let cell = width.max(caption_width + 4.0 * f64::from(u8::from(caption_width > 0.0)));
        let pitch = (cell + GAP).ceil();
        let pitch_y = (height + GAP + if captions.is_empty() { 0.0 } else { CAPTION_LINE }).ceil();
        let labels = if label_width > 0.0 { label_width + 10.0 } else { 0.0 };
        let left = (labels + (cell - width) / 2.0).round();
        let fitting = ((available - labels + GAP) / pitch).floor().max(1.0) as usize;
        let columns = grid.columns.unwrap_or_else(|| columns(count, fitting));

        let mut text_below = String::new();
        for (index, caption) in captions.iter().enumerate() {
            let x = left + (index % columns) as f64 * pitch + width / 2.0;
            let y = (index / columns) as f64 * pitch_y + height + LABEL_SIZE + 1.0;
            text_below += &text(x, y, "middle", &shorten(caption, cell, LABEL_SIZE));
        }
        let mut text_beside = String::new();
        for (row, label) in grid.row_labels.iter().enumerate() {
            let y = row as f64 * pitch_y + height / 2.0 + 4.0;
            text_beside += &text(labels - 8.0, y, "end", &shorten(label, WIDEST_ROW_LABEL, LABEL_SIZE));
        }
        let layout =
            Layout { columns, enlarged, pitch_x: pitch as usize * DENSITY, pitch_y: pitch_y as usize * DENSITY };
        let right = labels + (columns.min(count) as f64) * pitch - GAP;
        Self { layout, left, right, captions: text_below, row_labels: text_beside }
    }
}

fn size(pixels: usize, enlarged: usize) -> f64 {
    (pixels * enlarged) as f64 / DENSITY as f64
}

/// How many pixels of the PNG a pixel of an image takes: few images are drawn larger than many.
fn enlarged(count: usize, (width, height): (usize, usize), scale: Option<u32>) -> usize {
    if let Some(scale) = scale {
        return scale as usize * DENSITY;
    }
    let wanted = match count {
        1 => 128,
        2..=6 => 96,
        _ => 58,
    };
    let side = width.max(height);
    let times = (wanted * DENSITY + side / 2) / side;
    // A multiple of the density keeps the pixels equal on screens that are not dense.
    if times < DENSITY { 1 } else { (times + DENSITY / 2) / DENSITY * DENSITY }
}

/// The longest side of an image that is drawn as it is.
fn largest(count: usize) -> usize {
    match count {
        1 => 1_024,
        2..=6 => 384,
        _ => 192,
    }
}

/// Full rows where that can be, of ten images or a few less.
fn columns(count: usize, fitting: usize) -> usize {
    let most = fitting.min(10).min(count).max(1);
    (most.div_ceil(2)..=most).rev().find(|columns| count.is_multiple_of(*columns)).unwrap_or(most)
}

/// At most `most` of `total` numbers from 0, evenly spaced, the first and the last among them.
fn evenly(total: usize, most: usize) -> Vec<usize> {
    if total <= most {
        return (0..total).collect();
    }
    (0..most).map(|index| index * (total - 1) / (most - 1)).collect()
}

impl Show for Grid {
    fn bundle(&self) -> Result<Bundle> {
        let (drawing, png, (width, height)) = self.draw_with_png(PAGE_WIDTH)?;
        Ok(drawing.bundle().png(png, width, height))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tch::{Device, Kind};

    fn grid(count: i64) -> Grid {
        let images = Tensor::zeros([count, 1, 8, 8], (Kind::Float, Device::Cpu));
        Grid::new(&images).unwrap()
    }

    fn svg(grid: &Grid) -> String {
        grid.bundle().unwrap().get("image/svg+xml").unwrap().as_str().unwrap().to_string()
    }

    #[test]
    fn captions_and_labels_are_written_and_escaped() {
        let captions = (0..6).map(|index| format!("t<{index}")).collect();
        let grid =
            grid(6).columns(3).captions(captions).row_labels(vec!["x_t".into(), "a & b".into()]).title("\"six\"");
        let svg = svg(&grid);
        assert_eq!(svg.matches("<text").count(), 6 + 2 + 1);
        assert_eq!(svg.matches("<image").count(), 1);
        assert!(svg.contains(">t&lt;5<") && svg.contains(">a &amp; b<") && svg.contains("&quot;six&quot;"));
        let text = grid.bundle().unwrap().plain_text().to_string();
        assert_eq!(text, "\"six\"\n6 images of 8 x 8 pixels, grey, 3 a row\nx_t: t<0, t<1, t<2\na & b: t<3, t<4, t<5");
    }

    #[test]
    fn a_crowd_is_sampled_and_says_so() {
        let captions = (0..1_797).map(|index| index.to_string()).collect();
        let grid = grid(1_797).captions(captions);
        let svg = svg(&grid);
        assert!(svg.contains("100 of 1,797 images, evenly spaced"));
        assert!(svg.contains(">0<") && svg.contains(">1796<"));
        assert_eq!(svg.matches("<text").count(), 101);
    }

    #[test]
    fn the_png_is_twice_the_size_on_the_page() {
        let bundle = grid(10).bundle().unwrap();
        let png = STANDARD.decode(bundle.get("image/png").unwrap().as_str().unwrap()).unwrap();
        let image = image::load_from_memory(&png).unwrap();
        let size = &bundle.metadata()["image/png"];
        assert_eq!(u64::from(image.width()), 2 * size["width"].as_u64().unwrap());
        assert_eq!(u64::from(image.height()), 2 * size["height"].as_u64().unwrap());
        assert!(size["width"].as_u64().unwrap() <= 760);
    }

    #[test]
    fn rows_are_full_where_that_can_be() {
        assert_eq!(
            [1, 5, 10, 12, 13, 16, 20, 64, 80, 100].map(|count| columns(count, 12)),
            [1, 5, 10, 6, 10, 8, 10, 8, 10, 10]
        );
        assert_eq!(columns(64, 3), 2);
        assert_eq!(evenly(5, 100), [0, 1, 2, 3, 4]);
        assert_eq!(evenly(1_000, 4), [0, 333, 666, 999]);
    }

    #[test]
    fn images_are_of_a_size_that_one_can_see() {
        for side in [1, 4, 8, 16, 28, 32, 64] {
            let shown = size(side, enlarged(64, (side, side), None));
            assert!((40.0..=70.0).contains(&shown), "{side}: {shown}");
        }
        assert_eq!(size(256, enlarged(64, (256, 192), None)), 128.0);
    }

    #[test]
    fn bad_arguments_are_named() {
        let refusal = |grid: Grid| grid.bundle().unwrap_err().to_string();
        assert_eq!(refusal(grid(3).captions(vec!["a".into()])), "captions = 1: one for each of the 3 images");
        assert_eq!(refusal(grid(3).columns(0)), "columns = 0: from 1 to 1,000");
        assert_eq!(refusal(grid(3).scale(0)), "scale = 0: from 1 to 64");
        let labels = vec!["a".to_string(), "b".to_string()];
        assert_eq!(refusal(grid(3).row_labels(labels)), "row_labels = 2: one for each of the 1 rows of 3 images");
        for (shape, rule) in [
            (vec![0, 1, 8, 8], "at least one image"),
            (vec![2, 2, 8, 8], "C 1 or 3"),
            (vec![8, 8], "N x C x H x W"),
            (vec![1, 1, 0, 8], "at least one pixel"),
        ] {
            let error = Grid::new(&Tensor::zeros(&shape, (Kind::Float, Device::Cpu))).unwrap_err().to_string();
            assert!(error.contains(rule), "{error}");
        }
        let error = Grid::new(&Tensor::zeros([1, 1, 2, 2], (Kind::Int64, Device::Cpu))).unwrap_err().to_string();
        assert_eq!(error, "images = a tensor of kind Int64: a grid takes floats in [-1, 1]; see Tensor::to_kind");
    }
}
