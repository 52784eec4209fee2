//! A picture that changes in place while a cell runs.

use super::Show;
use super::frame::{FrameId, MessageKind};
use super::outlet::Outlet;
use super::place::Place;
use crate::{Error, Result};
use std::io::Write;
use std::time::{Duration, Instant};

/// At most four pictures a second: more is work for the browser and nothing for the eye.
const INTERVAL: Duration = Duration::from_millis(250);

/// A picture is followed by a pause of a hundred times as long as it took: so pictures cost what goes on at most 1%.
const SHARE: u32 = 100;

/// A figure that is drawn again as something goes on, and once more at the end: four times a second at most, and so seldom that
/// drawing takes no more than a hundredth of the time.
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
    /// From the end of the last picture to the next.
    pause: Duration,
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
        Self { outlet: Outlet::detect(), display_id: None, last: None, pause: INTERVAL }
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

    /// Draws the figure, or drops it when it is too early for another or pictures cannot be changed.
    ///
    /// # Errors
    /// As [`Show::show`], when it draws.
    ///
    /// ```
    /// use noisebook::show::{Bundle, Live};
    /// Live::new().update(&Bundle::text("step 1"))?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn update(&mut self, figure: &impl Show) -> Result<()> {
        self.update_at(Instant::now(), || figure.bundle(), &mut std::io::stdout()).map(|_| ())
    }

    /// Makes the figure and draws it, if one is due, and says whether it was. What making it takes counts too.
    ///
    /// # Errors
    /// What `make` says; as [`Show::show`].
    ///
    /// ```
    /// use noisebook::show::{Bundle, Live};
    /// let mut live = Live::new();
    /// for step in 0..1_000 {
    ///     live.update_with(|| Ok(Bundle::text(format!("step {step}"))))?;
    /// }
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn update_with<F: Show>(&mut self, make: impl FnOnce() -> Result<F>) -> Result<bool> {
        self.update_at(Instant::now(), make, &mut std::io::stdout())
    }

    /// Draws the last state, always.
    ///
    /// # Errors
    /// As [`Show::show`].
    ///
    /// ```
    /// use noisebook::show::{Bundle, Live};
    /// Live::new().finish(&Bundle::text("done"))?;
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn finish(&mut self, figure: &impl Show) -> Result<()> {
        self.draw(figure, &mut std::io::stdout())
    }

    /// Where it stands, for a value that draws itself there rather than below.
    pub(crate) fn place(&self) -> Option<Place> {
        self.display_id.as_deref().map(Place::new)
    }

    fn due_at(&self, now: Instant) -> bool {
        self.outlet.updates() && self.last.is_none_or(|last| now.saturating_duration_since(last) >= self.pause)
    }

    fn update_at<F: Show>(
        &mut self,
        now: Instant,
        make: impl FnOnce() -> Result<F>,
        text: &mut impl Write,
    ) -> Result<bool> {
        if !self.due_at(now) {
            return Ok(false);
        }
        let began = Instant::now();
        let drawn = make().and_then(|figure| self.draw(&figure, text));
        self.drew(now, began.elapsed());
        drawn.map(|()| true)
    }

    /// Counted from when it was drawn, so that a slow figure does not follow upon itself.
    fn drew(&mut self, now: Instant, took: Duration) {
        self.last = Some(now + took);
        self.pause = INTERVAL.max(took * SHARE);
    }

    fn draw(&mut self, figure: &impl Show, text: &mut impl Write) -> Result<()> {
        let bundle = figure.bundle()?;
        if !self.outlet.updates() {
            return self.outlet.show(MessageKind::DisplayData, &bundle, None, text);
        }
        if let Some(id) = &self.display_id {
            return self.outlet.show(MessageKind::UpdateDisplayData, &bundle, Some(id), text);
        }
        let id = self.display_id.insert(FrameId::random().map_err(Error::display)?.hex());
        self.outlet.show(MessageKind::DisplayData, &bundle, Some(id), text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Bundle;
    use super::super::frame::Message;
    use super::super::outlet::tests::{pair, receive_frame};
    use super::*;
    use std::os::fd::AsRawFd;

    fn live(outlet: Outlet) -> Live {
        Live { outlet, display_id: None, last: None, pause: INTERVAL }
    }

    #[test]
    fn it_is_drawn_four_times_a_second_and_at_the_end() {
        let (kernel, cell) = pair();
        let mut live = live(Outlet::Frames(cell.as_raw_fd()));
        let start = Instant::now();
        let mut text = Vec::new();
        // A step every 100 ms: of the first second those at 0, 300, 600 and 900 ms are drawn.
        for step in 0..10 {
            let now = start + Duration::from_millis(100 * step);
            assert_eq!(live.due_at(now), step % 3 == 0, "step {step}");
            if live.update_at(now, || Ok(Bundle::text(format!("step {step}"))), &mut text).unwrap() {
                live.drew(now, Duration::from_millis(1));
            }
        }
        live.draw(&Bundle::text("the end"), &mut text).unwrap();

        let messages: Vec<Message> = (0..5).map(|_| receive_frame(&kernel)).collect();
        let shown: Vec<_> = messages.iter().map(|message| message.data["text/plain"].as_str().unwrap()).collect();
        assert_eq!(shown, ["step 0", "step 3", "step 6", "step 9", "the end"]);
        let kinds: Vec<_> = messages.iter().map(|message| message.kind).collect();
        let update = MessageKind::UpdateDisplayData;
        assert_eq!(kinds, [MessageKind::DisplayData, update, update, update, update]);
        assert!(messages[0].display_id.is_some());
        assert!(messages.iter().all(|message| message.display_id == messages[0].display_id));
    }

    #[test]
    fn drawing_takes_a_hundredth_of_the_time_at_most() {
        let (_kernel, cell) = pair();
        let (mut live, start) = (live(Outlet::Frames(cell.as_raw_fd())), Instant::now());
        for took in [1, 2, 3, 20, 500_u64] {
            live.drew(start, Duration::from_millis(took));
            let next = (took + 250).max(101 * took);
            let at = |millis| start + Duration::from_millis(millis);
            assert!(!live.due_at(at(next - 1)) && live.due_at(at(next)), "{took}");
        }
    }

    #[test]
    fn two_figures_have_two_names() {
        let (kernel, cell) = pair();
        for _ in 0..2 {
            live(Outlet::Frames(cell.as_raw_fd())).draw(&Bundle::text(""), &mut Vec::new()).unwrap();
        }
        assert_ne!(receive_frame(&kernel).display_id, receive_frame(&kernel).display_id);
    }

    /// One test, since the others' cells are the same process.
    #[test]
    fn a_value_is_drawn_in_the_place_of_its_figure_in_the_same_cell_only() {
        let (kernel, cell) = pair();
        let outlet = Outlet::Frames(cell.as_raw_fd());
        let mut live = live(outlet);
        let mut text = Vec::new();
        assert_eq!(live.place(), None);
        live.draw(&Bundle::text("running"), &mut text).unwrap();
        let place = live.place().unwrap();
        let mut shown = |place: Place| {
            let value = Bundle::text("the value").in_place(Some(&place));
            outlet.show(MessageKind::ExecuteResult, &value, None, &mut text).unwrap();
            receive_frame(&kernel)
        };
        let (result, update) = (MessageKind::ExecuteResult, MessageKind::UpdateDisplayData);
        let id = receive_frame(&kernel).display_id;
        let message = shown(place.clone());
        assert_eq!((message.kind, message.display_id.clone()), (update, id));
        assert_eq!(message.data["text/plain"], "the value");
        assert_eq!(message.display_id.as_deref(), Some(place.display_id()));
        let message = shown(place.clone().of_another_cell());
        assert_eq!((message.kind, message.display_id), (result, None));
        outlet.clear(&mut Vec::new()).unwrap();
        assert_eq!(receive_frame(&kernel).kind, MessageKind::ClearOutput);
        assert_eq!(shown(place).kind, result);
    }

    #[test]
    fn without_updates_only_the_end_is_drawn() {
        for (outlet, expected) in [
            (Outlet::Terminal, "the end\n"),
            (Outlet::Blocks, "EVCXR_BEGIN_CONTENT text/plain\nthe end\nEVCXR_END_CONTENT\n"),
        ] {
            let mut live = live(outlet);
            let mut text = Vec::new();
            assert!(!live.due_at(Instant::now()));
            live.update_at(Instant::now(), || Ok(Bundle::text("halfway")), &mut text).unwrap();
            live.draw(&Bundle::text("the end"), &mut text).unwrap();
            assert_eq!(String::from_utf8(text).unwrap(), expected);
        }
    }
}
