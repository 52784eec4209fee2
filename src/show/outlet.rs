//! Where a bundle goes: to this crate's kernel, to a stock Rust kernel, or to a terminal.

use super::Bundle;
use super::frame::{FrameId, Message, MessageKind, packets};
use super::place::{Place, cleared};
use crate::{Error, Result};
use serde_json::Value;
use std::io::{self, Write};
use std::os::fd::RawFd;

/// Names the file descriptor of the socket to the kernel.
const SOCKET_VARIABLE: &str = "NOISEBOOK_SOCKET";

/// The stock Rust kernel sets this in the process that runs the cells.
const STOCK_VARIABLE: &str = "EVCXR_IS_RUNTIME";

/// What the kernel sends to ask a long computation to stop.
const INTERRUPT: u8 = b'I';
/// The answer of code that has seen one.
const SEEN: &[u8] = b"S";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outlet {
    /// Frames on a packet socket, markers in the text.
    Frames(RawFd),
    /// MIME blocks in the text, collected until the cell ends.
    Blocks,
    /// Plain text.
    Terminal,
}

impl Outlet {
    /// Looked up each time, since a static would be one copy per cell.
    pub(super) fn detect() -> Self {
        let socket = std::env::var(SOCKET_VARIABLE).ok().and_then(|text| text.parse().ok());
        match socket.filter(|&fd| is_socket(fd)) {
            Some(fd) => Self::Frames(fd),
            None if std::env::var_os(STOCK_VARIABLE).is_some() => Self::Blocks,
            None => Self::Terminal,
        }
    }

    /// Whether a picture that is there already can be changed.
    pub(super) fn updates(self) -> bool {
        matches!(self, Self::Frames(_))
    }

    /// Shows a bundle, under a display id if it is to be updated later, or in its own place where that is in this cell. `text`
    /// is the cell's standard output.
    pub(super) fn show(
        self,
        kind: MessageKind,
        bundle: &Bundle,
        display_id: Option<&str>,
        text: &mut impl Write,
    ) -> Result<()> {
        match self {
            Self::Frames(fd) => {
                let place = bundle.place().filter(|place| place.is_here());
                let kind = if place.is_some() { MessageKind::UpdateDisplayData } else { kind };
                let display_id = place.map(Place::display_id).or(display_id);
                let mut message = Message::new(kind);
                message.data = bundle.published();
                message.metadata = bundle.metadata().clone();
                message.display_id = display_id.map(str::to_string);
                send_frame(fd, &message, text)
            }
            Self::Blocks => {
                text.write_all(blocks(bundle).as_bytes()).and_then(|()| text.flush()).map_err(Error::display)
            }
            Self::Terminal => {
                writeln!(text, "{}", bundle.plain_text()).and_then(|()| text.flush()).map_err(Error::display)
            }
        }
    }

    /// Takes away what the cell has shown, where that can be done.
    pub(super) fn clear(self, text: &mut impl Write) -> Result<()> {
        match self {
            Self::Frames(fd) => {
                cleared();
                send_frame(fd, &Message::new(MessageKind::ClearOutput), text)
            }
            Self::Blocks | Self::Terminal => Ok(()),
        }
    }

    /// Whether the kernel has asked for an end. The request is left where it is: it ends every loop of the cell.
    pub(super) fn interrupted(self) -> bool {
        let Self::Frames(fd) = self else { return false };
        let mut byte = 0_u8;
        // SAFETY: the pointer is to one byte that lives through the call, and the length says so.
        let count = unsafe { libc::recv(fd, (&raw mut byte).cast(), 1, libc::MSG_PEEK | libc::MSG_DONTWAIT) };
        let asked = count == 1 && byte == INTERRUPT;
        if asked {
            // The kernel need not end a process whose code looks. If this is lost, another look follows.
            // SAFETY: the pointer and the length describe a constant.
            unsafe { libc::send(fd, SEEN.as_ptr().cast(), SEEN.len(), libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) };
        }
        asked
    }
}

fn is_socket(fd: RawFd) -> bool {
    let mut status = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `fstat` writes a whole `stat` where it returns 0, and only then is it read.
    unsafe {
        libc::fstat(fd, status.as_mut_ptr()) == 0 && status.assume_init_ref().st_mode & libc::S_IFMT == libc::S_IFSOCK
    }
}

fn send_frame(fd: RawFd, message: &Message, text: &mut impl Write) -> Result<()> {
    let id = FrameId::random().map_err(Error::display)?;
    for packet in packets(id, &message.to_json()) {
        send(fd, &packet)?;
    }
    text.write_all(id.marker().as_bytes()).and_then(|()| text.flush()).map_err(Error::display)
}

fn send(fd: RawFd, packet: &[u8]) -> Result<()> {
    loop {
        // SAFETY: the pointer and the length describe `packet`, which lives through the call.
        let sent = unsafe { libc::send(fd, packet.as_ptr().cast(), packet.len(), libc::MSG_NOSIGNAL) };
        if sent >= 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(Error::display(format!("the kernel does not answer: {error}")));
        }
    }
}

/// The stock kernel reads one block a MIME type; binary formats are in base64 already.
fn blocks(bundle: &Bundle) -> String {
    let mut text = String::new();
    for (mime, value) in bundle.published() {
        let content = match value {
            Value::String(content) if !mime.contains("json") => content,
            value => value.to_string(),
        };
        text += &format!("EVCXR_BEGIN_CONTENT {mime}\n{}\nEVCXR_END_CONTENT\n", content.trim_end_matches('\n'));
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::frame::{CHUNK, Reassembler};
    use super::*;
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

    /// The kernel's end and the cell's end of a packet socket.
    pub(in super::super) fn pair() -> (OwnedFd, OwnedFd) {
        let mut ends = [0; 2];
        // SAFETY: `ends` has room for the two descriptors, which are ours alone afterwards.
        unsafe {
            assert_eq!(libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0, ends.as_mut_ptr()), 0);
            (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1]))
        }
    }

    fn receive(end: &OwnedFd) -> Vec<u8> {
        let mut packet = vec![0; 2 * CHUNK];
        // SAFETY: the pointer and the length describe `packet`.
        let count = unsafe { libc::recv(end.as_raw_fd(), packet.as_mut_ptr().cast(), packet.len(), 0) };
        packet.truncate(usize::try_from(count).unwrap());
        packet
    }

    /// The next message, of whatever length.
    pub(in super::super) fn receive_frame(end: &OwnedFd) -> Message {
        let mut reassembler = Reassembler::default();
        loop {
            if let Some((_, payload)) = reassembler.push(&receive(end)).unwrap() {
                return Message::from_json(&payload).unwrap();
            }
        }
    }

    #[test]
    fn a_frame_precedes_its_marker() {
        let (kernel, cell) = pair();
        let outlet = Outlet::Frames(cell.as_raw_fd());
        let bundle = Bundle::text("a picture").png(vec![3; CHUNK], 4, 5);
        let mut text = Vec::new();
        outlet.show(MessageKind::DisplayData, &bundle, Some("figure"), &mut text).unwrap();

        let mut reassembler = Reassembler::default();
        assert_eq!(reassembler.push(&receive(&kernel)).unwrap(), None);
        let (id, payload) = reassembler.push(&receive(&kernel)).unwrap().unwrap();
        assert_eq!(text, id.marker().as_bytes());
        let message = Message::from_json(&payload).unwrap();
        assert_eq!(message.kind, MessageKind::DisplayData);
        assert_eq!(message.data, bundle.published());
        assert_eq!(message.metadata["image/png"]["height"], 5);
        assert_eq!(message.display_id.as_deref(), Some("figure"));
    }

    #[test]
    fn an_interrupt_is_seen_and_stays() {
        let (kernel, cell) = pair();
        let outlet = Outlet::Frames(cell.as_raw_fd());
        assert!(!outlet.interrupted());
        send(kernel.as_raw_fd(), b"I").unwrap();
        assert!(outlet.interrupted());
        assert!(outlet.interrupted());
        assert!(!Outlet::Terminal.interrupted());
    }

    #[test]
    fn a_kernel_that_is_gone_is_an_error_and_no_signal() {
        let (kernel, cell) = pair();
        drop(kernel);
        let outlet = Outlet::Frames(cell.as_raw_fd());
        assert!(!outlet.interrupted());
        let error = outlet.show(MessageKind::DisplayData, &Bundle::text("a"), None, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("the kernel does not answer"), "{error}");
    }

    #[test]
    fn only_a_socket_counts() {
        let (kernel, _cell) = pair();
        assert!(is_socket(kernel.as_raw_fd()));
        assert!(!is_socket(std::fs::File::open("/dev/null").unwrap().as_raw_fd()));
        assert!(!is_socket(1_000_000));
    }

    #[test]
    fn the_stock_kernel_gets_blocks() {
        let bundle = Bundle::text("one\n").html("<b>1</b>").png([0], 1, 1).json(serde_json::json!({"a": [1]}));
        let mut text = Vec::new();
        Outlet::Blocks.show(MessageKind::ExecuteResult, &bundle, None, &mut text).unwrap();
        let expected = "EVCXR_BEGIN_CONTENT text/plain\none\nEVCXR_END_CONTENT\n\
                        EVCXR_BEGIN_CONTENT text/html\n<b>1</b>\nEVCXR_END_CONTENT\n\
                        EVCXR_BEGIN_CONTENT image/png\nAA==\nEVCXR_END_CONTENT\n\
                        EVCXR_BEGIN_CONTENT application/json\n{\"a\":[1]}\nEVCXR_END_CONTENT\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn a_terminal_gets_the_text() {
        let mut text = Vec::new();
        Outlet::Terminal.show(MessageKind::DisplayData, &Bundle::text("a").svg("<svg/>"), None, &mut text).unwrap();
        assert_eq!(text, b"a\n");
    }
}
