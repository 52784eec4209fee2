//! Reads what the process of the cells writes: shows text and displays at once, passes control lines on to evcxr.

use super::failure::{self, Sources};
use super::input::Input;
use super::interrupts::Interrupts;
use super::link::{Link, Packet, Streams};
use super::output::Output;
use super::splitter::{Control, Piece, Splitter};
use super::text::{ErrorText, GATHER, Text};
use super::{lock, log};
use crate::show::frame::{FrameId, Message, MessageKind, Reassembler};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// The MIME type in which a cell's `?` hands over its error (cell_rustc.rs).
pub const ERROR_BLOCK: &str = "application/vnd.noisebook.error";

/// What became of a cell besides what it showed.
#[derive(Default)]
pub struct Report {
    /// It ended by a panic, with this text.
    pub panic: Option<String>,
    /// It ended at a `?`, with this text; or returned before its end, without one.
    pub error: Option<String>,
    /// What the process wrote on standard error as it ended.
    pub last_words: String,
    /// Variables that it could not take over, since their types have changed.
    pub retyped: Vec<String>,
}

/// What the pump shares with the thread that runs evcxr.
pub struct Shared {
    pub link: Link,
    pub output: Output,
    pub report: Mutex<Report>,
    pub interrupts: Interrupts,
    pub input: Input,
    pub sources: Sources,
    /// The process of the cells, while there is one.
    pub pid: Mutex<Option<u32>>,
}

impl Shared {
    pub fn new(output: Output) -> std::io::Result<Self> {
        let (report, interrupts, pid) = (Mutex::default(), Interrupts::default(), Mutex::default());
        let (input, sources) = (Input::default(), Sources::default());
        Ok(Self { link: Link::new()?, output, report, interrupts, input, sources, pid })
    }
}

impl Shared {
    /// From now on interrupts are meant for the cell at hand.
    pub fn begin(&self) {
        self.link.forget_interrupts();
        self.interrupts.begin();
    }
}

/// The pump's own state.
pub struct Pump {
    shared: Arc<Shared>,
    process: Option<Process>,
    splitter: Splitter,
    out: Text,
    err: ErrorText,
    packets: Reassembler,
    /// Displays whose markers have not come yet.
    displays: HashMap<FrameId, Message>,
    /// MIME blocks that stand next to each other and make up one value.
    blocks: Vec<(String, String)>,
    /// Since when the splitter holds something back.
    held_since: Option<Instant>,
    /// A process that has introduced itself.
    next: Option<Streams>,
    /// The cell waits for input.
    reads: bool,
}

struct Process {
    out: Stream,
    err: Stream,
    alive: OwnedFd,
    control: File,
}

/// The read end of a pipe that does not block.
struct Stream {
    file: File,
    open: bool,
}

impl Pump {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            process: None,
            splitter: Splitter::default(),
            out: Text::default(),
            err: ErrorText::default(),
            packets: Reassembler::default(),
            displays: HashMap::new(),
            blocks: Vec::new(),
            held_since: None,
            next: None,
            reads: false,
        }
    }

    /// Works as long as the kernel lives.
    pub fn run(mut self) -> ! {
        loop {
            self.turn();
        }
    }

    fn turn(&mut self) {
        let ended = self.wait();
        self.read_packets();
        self.read_err();
        self.read_out();
        if std::mem::take(&mut self.reads) {
            self.ask();
        }
        if ended {
            self.end_process();
        }
        // After the end of the old one, which may be seen late.
        if let Some(streams) = self.next.take() {
            self.begin_process(streams);
        }
        if self.out.is_due() {
            self.show_out();
        }
        self.release_held();
        let text = self.err.take(false);
        self.show_error_text(text);
    }

    /// Asks for what the cell reads, below all that it has printed.
    fn ask(&mut self) {
        self.show_out();
        self.show_err();
        if let Some(said) = self.shared.input.reads() {
            self.shared.output.stream("stderr", said.to_string());
        }
    }

    /// What looked like the beginning of a control line and was not continued is text.
    fn release_held(&mut self) {
        if !self.splitter.waits() {
            self.held_since = None;
        } else if self.held_since.get_or_insert_with(Instant::now).elapsed() >= GATHER
            && let Some(Piece::Text(text)) = self.splitter.flush()
        {
            self.out.push(&text);
        }
    }

    /// Waits until there is something to do; true if the process has ended.
    fn wait(&self) -> bool {
        let entry = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let mut entries = vec![entry(self.shared.link.as_raw_fd())];
        if let Some(process) = &self.process {
            entries.extend([process.alive.as_raw_fd(), process.out.fd(), process.err.fd()].map(entry));
        }
        let waiting = !self.out.is_empty() || self.err.waits() || self.splitter.waits();
        let timeout = if waiting { GATHER.as_millis() as libc::c_int } else { -1 };
        // SAFETY: the pointer and the length describe `entries`.
        unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, timeout) };
        entries.get(1).is_some_and(|alive| alive.revents != 0)
    }

    fn read_packets(&mut self) {
        while let Some(packet) = self.shared.link.receive() {
            match packet {
                Packet::Hello(streams) => self.next = Some(streams),
                Packet::Begun(library) => {
                    self.shared.interrupts.begun();
                    for warning in self.shared.sources.begun(&library) {
                        self.shared.output.stream("stderr", warning.text() + "\n");
                    }
                }
                Packet::Seen => self.shared.interrupts.seen(),
                Packet::Reads => self.reads = true,
                Packet::Bytes(bytes) => match self.packets.push(&bytes) {
                    Ok(None) => {}
                    Ok(Some((id, payload))) => match Message::from_json(&payload) {
                        Ok(message) => drop(self.displays.insert(id, message)),
                        Err(error) => log::line(&error),
                    },
                    Err(error) => log::line(&error),
                },
            }
        }
    }

    fn begin_process(&mut self, streams: Streams) {
        self.end_process();
        *lock(&self.shared.pid) = Some(streams.pid);
        self.shared.input.process(Some(streams.input));
        self.process = Some(Process {
            out: Stream::new(streams.out),
            err: Stream::new(streams.err),
            alive: streams.alive,
            control: streams.control.into(),
        });
    }

    /// Shows all that the process left behind. With `control` closed, evcxr hears that it has ended.
    fn end_process(&mut self) {
        if self.process.is_none() {
            return;
        }
        self.read_err();
        self.read_out();
        if let Some(Piece::Text(text)) = self.splitter.flush() {
            self.out.push(&text);
        }
        self.splitter = Splitter::default();
        self.show_blocks(MessageKind::DisplayData);
        let (before, last_words) = self.err.take_last_words();
        self.show_error_text(before);
        self.show_all();
        lock(&self.shared.report).last_words = last_words;
        self.displays.clear();
        *lock(&self.shared.pid) = None;
        self.shared.input.process(None);
        self.process = None;
    }

    fn read_out(&mut self) {
        // A flood must not keep the other streams waiting.
        for _ in 0..64 {
            let Some(bytes) = self.process.as_mut().and_then(|process| process.out.read()) else { break };
            for piece in self.splitter.push(&bytes) {
                self.take(piece);
            }
            if self.out.is_due() {
                self.show_out();
            }
        }
    }

    fn read_err(&mut self) {
        // As in `read_out`. What a pipe holds at one moment, before a control line say, is less than this.
        for _ in 0..64 {
            let Some(bytes) = self.process.as_mut().and_then(|process| process.err.read()) else { break };
            if !self.out.is_empty() {
                self.show_out();
            }
            self.err.push(&bytes);
            let text = self.err.take(false);
            self.show_error_text(text);
        }
    }

    fn take(&mut self, piece: Piece) {
        match piece {
            Piece::Text(text) => {
                if !text.iter().all(u8::is_ascii_whitespace) {
                    self.show_blocks(MessageKind::DisplayData);
                }
                self.show_err();
                self.out.push(&text);
            }
            Piece::Marker(id) => {
                if !self.displays.contains_key(&id) {
                    self.read_packets();
                }
                match self.displays.remove(&id) {
                    Some(message) => {
                        self.show_out();
                        self.shared.output.display(message);
                    }
                    None => self.out.push(id.marker().as_bytes()),
                }
            }
            Piece::Block { mime, content } if mime == ERROR_BLOCK => lock(&self.shared.report).error = Some(content),
            Piece::Block { mime, content } => {
                if self.blocks.iter().any(|(other, _)| *other == mime) {
                    self.show_blocks(MessageKind::DisplayData);
                }
                self.show_out();
                self.blocks.push((mime, content));
            }
            Piece::Control(control) => self.control(&control),
        }
    }

    /// A control line. What was written before it is shown before evcxr hears of it.
    fn control(&mut self, control: &Control) {
        self.read_packets();
        self.read_err();
        match control {
            Control::Panic => {
                let (before, panic) = self.err.take_panic();
                self.show_out();
                self.show_error_text(before);
                lock(&self.shared.report).panic = Some(panic);
            }
            Control::UserError => drop(lock(&self.shared.report).error.get_or_insert_default()),
            Control::Complete => {
                self.shared.interrupts.completed();
                self.show_blocks(MessageKind::ExecuteResult);
                self.show_all();
                self.shared.link.forget_interrupts();
            }
            Control::Other(line) => {
                let name = line.strip_prefix("EVCXR_VARIABLE_CHANGED_TYPE:").map(str::to_string);
                lock(&self.shared.report).retyped.extend(name);
            }
        }
        if let Some(process) = &mut self.process
            && let Err(error) = process.control.write_all(format!("{}\n", control.line()).as_bytes())
        {
            log::line(format_args!("evcxr does not listen: {error}"));
        }
    }

    fn show_out(&mut self) {
        let text = self.out.take();
        self.shared.output.stream("stdout", text);
    }

    fn show_err(&mut self) {
        if self.err.has_text() {
            let text = self.err.take(true);
            self.show_error_text(text);
        }
    }

    /// Panics that nobody died of are in it.
    fn show_error_text(&self, text: String) {
        self.shared.output.stream("stderr", failure::readable(text, &self.shared.sources));
    }

    fn show_all(&mut self) {
        let text = self.out.take_all();
        self.shared.output.stream("stdout", text);
        let text = self.err.take_all();
        self.show_error_text(text);
    }

    fn show_blocks(&mut self, kind: MessageKind) {
        if !self.blocks.is_empty() {
            self.shared.output.bundle(kind, std::mem::take(&mut self.blocks));
        }
    }
}

impl Stream {
    fn new(end: OwnedFd) -> Self {
        // SAFETY: an open descriptor and a flag.
        unsafe { libc::fcntl(end.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
        Self { file: end.into(), open: true }
    }

    /// What to poll: nothing after the end of the stream, which would wake the pump for ever.
    fn fd(&self) -> RawFd {
        if self.open { self.file.as_raw_fd() } else { -1 }
    }

    /// What is there already.
    fn read(&mut self) -> Option<Vec<u8>> {
        let mut bytes = vec![0; 64 * 1024];
        match self.file.read(&mut bytes) {
            Ok(0) => {
                self.open = false;
                None
            }
            Ok(length) => {
                bytes.truncate(length);
                Some(bytes)
            }
            Err(_) => None,
        }
    }
}
