//! What becomes of an interrupt: a build ends; a cell that looks stops by itself; one that does not is ended, if it is
//! asked twice.

use super::pump::Shared;
use super::{lock, log, processes};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How often a watcher looks after the cell that was asked.
const LOOK: Duration = Duration::from_millis(20);
/// After this the reader is told that the cell has not looked yet.
const NOTICE: Duration = Duration::from_secs(1);
/// How long a cell has, at least, to see a request before a second one ends its process.
const GRACE: Duration = Duration::from_millis(1_500);
/// How long a cell that has seen a request may take to its end before another one counts as the second.
const CLOSING: Duration = Duration::from_secs(10);

/// Requests to the cell at hand.
#[derive(Default)]
pub struct Interrupts {
    cell: Mutex<Cell>,
}

#[derive(Default)]
struct Cell {
    /// Counts cells, so that a watcher knows its own.
    number: u64,
    /// How many cells wait behind it.
    waiting: usize,
    /// Asked while there was none but those.
    early: bool,
    /// Between `begin` and `end`.
    at_hand: bool,
    /// Something that was compiled for it runs: it, or nothing but its commands.
    running: bool,
    /// Something ran when the request was there.
    ran: bool,
    /// A build was ended.
    unbuilt: bool,
    asked: Option<Instant>,
    seen: Option<Instant>,
    /// Asked once more.
    again: bool,
    killed: bool,
}

/// What happened while a cell was at hand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Interrupted {
    Not,
    /// Its build was ended.
    Compiling,
    /// It was asked, and has ended by itself.
    Running,
    /// Its process was ended.
    Killed,
}

impl Interrupts {
    /// A cell waits, from now on.
    pub fn arrived(&self) {
        lock(&self.cell).waiting += 1;
    }

    /// So many cells wait no longer; true if an interrupt came that was meant for them.
    pub fn taken(&self, count: usize) -> bool {
        let mut cell = lock(&self.cell);
        cell.waiting = cell.waiting.saturating_sub(count);
        std::mem::take(&mut cell.early)
    }

    /// A cell is at hand from now on.
    pub fn begin(&self) {
        let mut cell = lock(&self.cell);
        *cell = Cell { number: cell.number + 1, at_hand: true, waiting: cell.waiting, ..Cell::default() };
    }

    /// It is no more.
    pub fn end(&self) -> Interrupted {
        let mut cell = lock(&self.cell);
        cell.at_hand = false;
        match &*cell {
            Cell { asked: None, .. } => Interrupted::Not,
            Cell { killed: true, .. } => Interrupted::Killed,
            Cell { unbuilt: true, .. } => Interrupted::Compiling,
            Cell { running: true, .. } | Cell { ran: true, .. } => Interrupted::Running,
            _ => Interrupted::Compiling,
        }
    }

    /// Whether a cell is.
    pub fn at_hand(&self) -> bool {
        lock(&self.cell).at_hand
    }

    /// Whether nothing runs and nothing waits to.
    pub fn idle(&self) -> bool {
        let cell = lock(&self.cell);
        !cell.at_hand && cell.waiting == 0
    }

    pub fn asked(&self) -> bool {
        lock(&self.cell).asked.is_some()
    }

    pub fn begun(&self) {
        lock(&self.cell).running = true;
    }

    pub fn completed(&self) {
        let mut cell = lock(&self.cell);
        cell.running = false;
        cell.ran |= cell.asked.is_some();
    }

    pub fn seen(&self) {
        let mut cell = lock(&self.cell);
        if cell.seen.is_none() {
            // What was asked twice in a row was asked once.
            (cell.seen, cell.again) = (Some(Instant::now()), false);
        }
    }
}

/// Asks the cell at hand to stop, or the one that is about to be; does nothing while there is none.
pub fn ask(shared: &Arc<Shared>) {
    let mut cell = lock(&shared.interrupts.cell);
    if !cell.at_hand {
        cell.early |= cell.waiting > 0;
        return;
    }
    if cell.asked.is_some() {
        cell.again |= cell.seen.is_none_or(|seen| seen.elapsed() > CLOSING);
        return;
    }
    cell.asked = Some(Instant::now());
    if let Err(error) = shared.link.interrupt() {
        log::line(format_args!("the interrupt was not passed on: {error}"));
    }
    // A cell that waits for its reader has no other way to hear of it.
    shared.input.interrupt();
    let (shared, number) = (shared.clone(), cell.number);
    std::thread::spawn(move || watch(&shared, number));
}

/// Stays with a cell that was asked to stop, until it has ended.
fn watch(shared: &Shared, number: u64) {
    let mut noticed = false;
    loop {
        let mut cell = lock(&shared.interrupts.cell);
        if !cell.at_hand || cell.number != number {
            return;
        }
        let waited = cell.asked.map_or(Duration::ZERO, |asked| asked.elapsed());
        if !cell.running {
            cell.unbuilt |= processes::end_builds();
        } else if cell.again && waited >= GRACE && !cell.killed {
            cell.killed = true;
            if let Some(number) = *lock(&shared.pid) {
                processes::kill(number);
            }
        } else if cell.seen.is_none() && waited >= NOTICE && !noticed {
            noticed = true;
            let text = "\nThe cell has not looked for the interrupt yet: training and sampling do so at every step, other code \
                        only where it calls noisebook::show::interrupted(). Interrupt again to end its process; all \
                        variables would be lost.\n";
            shared.output.stream("stderr", text.to_string());
        }
        drop(cell);
        std::thread::sleep(LOOK);
    }
}
