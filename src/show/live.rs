//! A picture that changes in place while a cell runs.

use super::Show;
use super::frame::{FrameId, MessageKind};
use super::outlet::Outlet;
use crate::Result;
use std::io::Write;
use std::time::{Duration, Instant};

/// At most four pictures a second: more is work for the browser and nothing for the eye.
const INTERVAL: Duration = Duration::from_millis(250);

/// A figure that is drawn again as something goes on: four times a second at most, and once more at the end.
///
/// Where pictures cannot be changed (a terminal, the stock Rust kernel) only the last state is drawn.
///
/// ```
/// use noisebook::show::{Bundle, Live};
/// let mut live = Live::new();
/// for step in 0..1_000 {
///     if live.due() {
///         live.update(&Bundle::text(format!("step {step}")))?;
///     }
/// }
/// live.finish(&Bundle::text("step 999, the last"))?;
/// # Ok::<(), noisebook::Error>(())
/// ```
#[derive(Debug)]
pub struct Live {
    outlet: Outlet,
    display_id: Option<String>,
    last: Option<Instant>,
}

impl Default for Live {
    fn default() -> Self {
        Self::new()
    }
}

impl Live {
    /// A figure that has not been drawn yet.
    ///
    /// ```
    /// let live = noisebook::show::Live::new();
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self { outlet: Outlet::detect(), display_id: None, last: None }
    }

    /// Whether an update would be drawn now; if not, there is no need to make the figure.
    ///
    /// ```
    /// // Nothing can be changed in the terminal where this example runs.
    /// assert!(!noisebook::show::Live::new().due());
    /// ```
    #[must_use]
    pub fn due(&self) -> bool {
        self.due_at(Instant::now())
    }

    /// Draws the figure, or drops it when the last one is less than a quarter of a second old.
    ///
    /// ```
    /// use noisebook::show::{Bundle, Live};
    /// Live::new().update(&Bundle::text("step 1"))?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn update(&mut self, figure: &impl Show) -> Result<()> {
        self.update_at(Instant::now(), figure, &mut std::io::stdout())
    }

    /// Draws the last state, always.
    ///
    /// ```
    /// use noisebook::show::{Bundle, Live};
    /// Live::new().finish(&Bundle::text("done"))?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn finish(&mut self, figure: &impl Show) -> Result<()> {
        self.draw(figure, &mut std::io::stdout())
    }

    fn due_at(&self, now: Instant) -> bool {
        self.outlet.updates() && self.last.is_none_or(|last| now.saturating_duration_since(last) >= INTERVAL)
    }

    fn update_at(&mut self, now: Instant, figure: &impl Show, text: &mut impl Write) -> Result<()> {
        if !self.due_at(now) {
            return Ok(());
        }
        self.last = Some(now);
        self.draw(figure, text)
    }

    fn draw(&mut self, figure: &impl Show, text: &mut impl Write) -> Result<()> {
        let bundle = figure.bundle()?;
        if !self.outlet.updates() {
            return self.outlet.show(MessageKind::DisplayData, &bundle, None, text);
        }
        if let Some(id) = &self.display_id {
            return self.outlet.show(MessageKind::UpdateDisplayData, &bundle, Some(id), text);
        }
        let id = self.display_id.insert(FrameId::random()?.hex());
        self.outlet.show(MessageKind::DisplayData, &bundle, Some(id), text)
    }
}
