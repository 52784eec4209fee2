//! Standard input of a cell: what it reads, the front end is asked for (`input_request`), a line at a time.
//!
//! Nobody outside a process can see that it reads. So this program has a `read` of its own, which the standard library
//! and other libraries in the process find before the system's. In the process of the cells it asks the kernel when
//! standard input is read, and waits for the answer on a pipe. Whatever does not come by here finds standard input empty.

use super::message::{Author, Message};
use super::wire::Signer;
use super::{Result, link, lock, log};
use libc::{c_int, c_void, size_t, ssize_t};
use serde_json::json;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{OwnedFd, RawFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, Ordering};

/// The address at which requests are handed to the thread that owns the stdin channel's socket.
pub const REQUESTS: &str = "inproc://stdin-requests";

/// In place of an answer's length: the cell was interrupted.
const INTERRUPTED: u32 = u32::MAX;

/// What a front end that takes no input gets to see, once a cell.
const NOBODY: &str = "The cell reads standard input, which is empty: this front end asks nobody. Write the text into the \
                      cell instead: `let text = \"...\";`\n";

/// The kernel's side.
#[derive(Default)]
pub struct Input {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    asker: Option<Asker>,
    /// The cell at hand, if its front end takes questions.
    cell: Option<Message>,
    /// To the process of the cells.
    answers: Option<File>,
    /// A read waits for its answer.
    open: bool,
    /// The cell at hand was interrupted.
    interrupted: bool,
    /// It has been told that nobody is asked.
    told: bool,
}

/// Sends requests on the stdin channel.
pub struct Asker {
    socket: zmq::Socket,
    signer: Signer,
    author: Author,
}

impl Asker {
    pub fn connect(zmq: &zmq::Context, signer: Signer, author: Author) -> Result<Self> {
        let socket = zmq.socket(zmq::PUSH)?;
        socket.connect(REQUESTS)?;
        Ok(Self { socket, signer, author })
    }

    fn ask(&self, cell: &Message) -> zmq::Result<()> {
        let request = self.author.reply(cell, "input_request", json!({ "prompt": "", "password": false }));
        self.socket.send_multipart(self.signer.encode(&request), 0)
    }
}

impl Input {
    pub fn connect(&self, asker: Asker) {
        lock(&self.state).asker = Some(asker);
    }

    /// From now on this process reads; or none does.
    pub fn process(&self, answers: Option<OwnedFd>) {
        let mut state = lock(&self.state);
        (state.answers, state.open) = (answers.map(File::from), false);
    }

    /// From now on this cell does.
    pub fn begin(&self, request: &Message) {
        let mut state = lock(&self.state);
        // A thread that an earlier cell left behind.
        state.answer(b"");
        state.cell = request.flag("allow_stdin", true).then(|| request.clone());
        (state.interrupted, state.told) = (false, false);
    }

    /// The cell reads. Gives what is to be said to its reader.
    pub fn reads(&self) -> Option<&'static str> {
        let mut state = lock(&self.state);
        state.open = true;
        if state.interrupted {
            state.interrupt();
            return None;
        }
        match (&state.asker, &state.cell) {
            (Some(asker), Some(cell)) => {
                if let Err(error) = asker.ask(cell) {
                    log::line(format_args!("a question was not asked: {error}"));
                    state.answer(b"");
                }
                None
            }
            _ => {
                state.answer(b"");
                (!std::mem::replace(&mut state.told, true)).then_some(NOBODY)
            }
        }
    }

    /// The reader's line; false if nobody waits for one.
    pub fn reply(&self, line: &str) -> bool {
        let mut state = lock(&self.state);
        let open = state.open;
        state.answer(format!("{line}\n").as_bytes());
        open
    }

    /// Nobody waits for the reader any more.
    pub fn interrupt(&self) {
        let mut state = lock(&self.state);
        state.interrupted = true;
        state.interrupt();
    }
}

impl State {
    fn answer(&mut self, text: &[u8]) {
        let length = u32::try_from(text.len()).unwrap_or_default();
        self.send(length, text);
    }

    fn interrupt(&mut self) {
        self.send(INTERRUPTED, b"");
    }

    fn send(&mut self, length: u32, text: &[u8]) {
        if std::mem::take(&mut self.open)
            && let Some(answers) = &mut self.answers
            && let Err(error) = answers.write_all(&[&length.to_le_bytes(), text].concat())
        {
            log::line(format_args!("an answer was not passed on: {error}"));
        }
    }
}

/// The socket to the kernel, in the process of the cells.
static SOCKET: AtomicI32 = AtomicI32::new(-1);

static ANSWERS: Mutex<Option<Answers>> = Mutex::new(None);

/// The cells' side.
struct Answers {
    pipe: File,
    /// Of the last answer, what was not read yet.
    left: io::Cursor<Vec<u8>>,
}

/// From now on reads of standard input are the front end's to answer, by this pipe.
pub fn answer_reads(socket: RawFd, pipe: OwnedFd) {
    *lock(&ANSWERS) = Some(Answers { pipe: pipe.into(), left: io::Cursor::default() });
    SOCKET.store(socket, Ordering::Release);
}

impl Answers {
    fn read(&mut self, buffer: &mut [u8], socket: RawFd) -> io::Result<usize> {
        if self.left.position() == self.left.get_ref().len() as u64 {
            link::send_reads(socket);
            let mut length = [0; 4];
            self.pipe.read_exact(&mut length)?;
            let length = u32::from_le_bytes(length);
            if length == INTERRUPTED {
                return Err(io::Error::from_raw_os_error(libc::ECANCELED));
            }
            let mut text = vec![0; length as usize];
            self.pipe.read_exact(&mut text)?;
            self.left = io::Cursor::new(text);
        }
        self.left.read(buffer)
    }
}

/// `read(2)`.
///
/// # Safety
/// As there: `buffer` has room for `count` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn read(descriptor: c_int, buffer: *mut c_void, count: size_t) -> ssize_t {
    let socket = SOCKET.load(Ordering::Acquire);
    if descriptor != 0 || socket < 0 || count == 0 {
        // SAFETY: the caller's promise.
        return unsafe { libc::syscall(libc::SYS_read, descriptor, buffer, count) } as ssize_t;
    }
    // SAFETY: the caller's promise; zeros are bytes.
    let buffer = unsafe {
        std::ptr::write_bytes(buffer.cast::<u8>(), 0, count);
        std::slice::from_raw_parts_mut(buffer.cast::<u8>(), count)
    };
    match lock(&ANSWERS).as_mut().map_or(Ok(0), |answers| answers.read(buffer, socket)) {
        Ok(length) => length as ssize_t,
        Err(error) => {
            // SAFETY: the place is this thread's own.
            unsafe { *libc::__errno_location() = error.raw_os_error().unwrap_or(libc::EIO) };
            -1
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn request(content: serde_json::Value) -> Message {
        let identities = vec![b"front end".to_vec()];
        Message { identities, header: json!({}), parent: json!({}), metadata: json!({}), content }
    }

    #[test]
    fn a_front_end_that_takes_no_questions_gets_none() {
        let (mut read, write) = io::pipe().unwrap();
        let input = Input::default();
        input.process(Some(write.into()));
        input.begin(&request(json!({ "allow_stdin": false })));
        assert!(input.reads().is_some_and(|said| said.contains("empty")));
        assert_eq!(input.reads(), None);
        assert!(!input.reply("late"));
        input.begin(&request(json!({ "allow_stdin": false })));
        assert!(input.reads().is_some());
        input.process(None);
        let mut sent = Vec::new();
        read.read_to_end(&mut sent).unwrap();
        assert_eq!(sent, [0; 12]);
    }

    #[test]
    fn a_question_is_asked_and_answered() {
        let zmq = zmq::Context::new();
        let inbox = zmq.socket(zmq::PULL).unwrap();
        inbox.bind(REQUESTS).unwrap();
        let signer = Signer::new("").unwrap();
        let input = Input::default();
        input.connect(Asker::connect(&zmq, signer.clone(), Author::new()).unwrap());
        let (read, write) = io::pipe().unwrap();
        input.process(Some(write.into()));
        // A pipe in which answers wait for readers.
        let mut answers = Answers { pipe: OwnedFd::from(read).into(), left: io::Cursor::default() };
        let mut next = |length: usize| {
            let mut buffer = vec![0; length];
            let read = answers.read(&mut buffer, -1).map(|read| String::from_utf8_lossy(&buffer[..read]).into_owned());
            read.map_err(|error| error.raw_os_error())
        };
        input.begin(&request(json!({})));
        assert_eq!(input.reads(), None);
        let asked = signer.decode(inbox.recv_multipart(0).unwrap()).unwrap();
        assert_eq!((asked.kind(), asked.identities.as_slice()), ("input_request", &[b"front end".to_vec()][..]));
        assert_eq!(asked.content, json!({ "prompt": "", "password": false }));
        assert!(input.reply("größer"));
        assert_eq!(next(3), Ok("gr\u{fffd}".to_string()));
        assert_eq!(next(9), Ok("\u{fffd}ßer\n".to_string()));
        input.reads();
        input.interrupt();
        assert_eq!(next(9), Err(Some(libc::ECANCELED)));
        input.reads();
        assert_eq!(next(9), Err(Some(libc::ECANCELED)));
        input.reads();
        input.begin(&request(json!({})));
        assert!(!input.reply("late"));
    }
}
