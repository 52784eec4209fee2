//! Images in rows and columns, with captions.

use super::axis::grouped;
use super::look::{Drawing, LABEL_SIZE, PAGE_WIDTH, text, text_width};
use super::mosaic::{Layout, Tiles};
use super::sheet::{CAPTION_LINE, Sheet};
use super::{Bundle, Show, pixels};
use crate::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;
use tch::Tensor;

/// More images than this are a crowd: a sample of them is shown.
const MOST_IMAGES: usize = 100;

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
    pub(super) tiles: Arc<Tiles>,
    /// How many images there were, and which of them are shown.
    total: usize,
    shown: Arc<[usize]>,
    colour: &'static str,
    height: i64,
    width: i64,
    not_finite: usize,
    pub(super) columns: Option<usize>,
    captions: Option<Vec<String>>,
    pub(super) row_labels: Vec<String>,
    /// So many rows belong together: after them is a gap.
    pub(super) rows_together: Option<usize>,
    title: String,
    pub(super) scale: Option<u32>,
}

impl Grid {
    /// Images of shape N x C x H x W with values in [-1, 1], with 1 or 3 channels, of any float kind, on any device.
    /// What lies outside the range is drawn as its nearest end; what is not finite is drawn in magenta and counted.
    /// Of more than 100 images, 100 are shown, evenly spaced.
    ///
    /// # Errors
    /// A tensor of another shape or kind, or without images.
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
            rows_together: None,
            title: String::new(),
            scale: None,
        })
    }

    /// Sets the number of columns, 1 to 1,000, which drawing checks. By default a grid is as wide as reads well.
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

    /// Sets a little apart each so many rows: what belongs to one image.
    pub(crate) fn rows_together(mut self, rows: usize) -> Self {
        self.rows_together = Some(rows.max(1));
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

    /// Sets how many pixels of the page each pixel of an image takes, 1 to 64, which drawing checks. By default an
    /// image is about 60 pixels wide.
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
        let density = sheet.layout.density as f64;
        let (width, height) = (width as f64 / density, height as f64 / density);

        let mut body = format!(
            "<image x=\"{}\" y=\"0\" width=\"{width}\" height=\"{height}\" style=\"image-rendering:pixelated\" \
             href=\"data:image/png;base64,{}\"/>\n",
            sheet.left,
            STANDARD.encode(&png)
        );
        body += &sheet.borders;
        body += &sheet.captions;
        body += &sheet.row_labels;
        let mut bottom = sheet.bottom;
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
        Ok((drawing.titled(&self.title, available), png, (width.ceil() as u32, height.ceil() as u32)))
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
        for (row, captions) in captions.chunks(columns).enumerate() {
            let words = captions.iter().copied().filter(|caption| !caption.is_empty()).collect::<Vec<_>>().join(", ");
            let parts = [self.row_labels.get(row).map_or("", String::as_str), &words];
            let line = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
            lines.extend(Some(line).filter(|line| !line.is_empty()));
        }
        if captions.is_empty() && !self.row_labels.is_empty() {
            lines.push(format!("rows: {}", self.row_labels.join(", ")));
        }
        lines.extend(self.notes());
        lines.join("\n")
    }

    pub(super) fn shown_captions(&self) -> Vec<&str> {
        let Some(captions) = &self.captions else { return Vec::new() };
        self.shown.iter().filter_map(|&index| captions.get(index)).map(String::as_str).collect()
    }
}

/// The longest side of an image that is drawn as it is.
fn largest(count: usize) -> usize {
    match count {
        1 => 1_024,
        2..=6 => 384,
        _ => 192,
    }
}

/// At most `most` of `total` numbers from 0, evenly spaced, the first and the last among them.
pub(crate) fn evenly(total: usize, most: usize) -> Vec<usize> {
    if total <= most {
        return (0..total).collect();
    }
    (0..most).map(|index| index * (total - 1) / (most - 1).max(1)).collect()
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
    fn one_path_is_a_hairline_around_each_image() {
        // Two images of 96 pixels, 4 apart.
        let svg = svg(&grid(2).columns(1));
        assert_eq!(svg.matches("<path").count(), 1);
        assert!(svg.contains(" d=\"M0.5 0.5h95v95h-95zM0.5 100.5h95v95h-95z\"/>"), "{svg}");
    }

    #[test]
    fn a_row_without_captions_takes_no_room_for_them() {
        let height = |captions: [&str; 4]| {
            let captions = captions.map(String::from).to_vec();
            grid(4).columns(1).captions(captions).draw(PAGE_WIDTH).unwrap().height
        };
        let none = height([""; 4]);
        assert_eq!(height(["", "", "", "t"]), none + CAPTION_LINE);
        assert_eq!(height(["t"; 4]), none + 4.0 * CAPTION_LINE);
        let grid =
            grid(2).columns(1).row_labels(vec!["x".into(), "y".into()]).captions(vec![String::new(), "t".into()]);
        assert!(grid.bundle().unwrap().plain_text().ends_with("1 a row\nx\ny: t"));
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
    fn fine_pixels_are_twice_as_many_in_the_png_as_on_the_page() {
        for (side, density) in [(8, 1), (64, 2)] {
            let images = Tensor::zeros([10, 1, side, side], (Kind::Float, Device::Cpu));
            let bundle = Grid::new(&images).unwrap().bundle().unwrap();
            let png = STANDARD.decode(bundle.get("image/png").unwrap().as_str().unwrap()).unwrap();
            let image = image::load_from_memory(&png).unwrap();
            let size = &bundle.metadata()["image/png"];
            assert_eq!(u64::from(image.width()), density * size["width"].as_u64().unwrap());
            assert_eq!(u64::from(image.height()), density * size["height"].as_u64().unwrap());
            assert!(size["width"].as_u64().unwrap() <= 760);
        }
    }

    #[test]
    fn images_make_room_for_as_many_columns_as_were_asked_for() {
        let labels = vec!["epoch 10.5, trained".to_string(), "average".to_string()];
        let drawing = grid(20).columns(10).row_labels(labels).draw(PAGE_WIDTH).unwrap();
        assert!((700.0..=PAGE_WIDTH).contains(&drawing.width), "{}", drawing.width);
        let four = grid(8).columns(4).draw(PAGE_WIDTH).unwrap();
        assert!((4.0 * 60.0..4.0 * 70.0).contains(&four.width), "{}", four.width);
    }

    #[test]
    fn a_sample_keeps_the_first_and_the_last() {
        assert_eq!(evenly(5, 100), [0, 1, 2, 3, 4]);
        assert_eq!(evenly(1_000, 4), [0, 333, 666, 999]);
        assert_eq!((evenly(5, 1), evenly(5, 0)), (vec![0], vec![]));
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
