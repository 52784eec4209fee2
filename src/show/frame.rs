//! How a display travels from a cell to the kernel: chunks on a packet socket, and a marker in the text.
//!
//! A cell's standard output is text. A display is sent beside it, over a socket that the process inherits, cut into
//! packets that each fit one `send`. Then a marker goes into the text, and the kernel puts the display where the marker
//! stands. The id is random, so a marker that somebody prints by hand names no display and stays text.
//!
//! The kernel compiles this file and `message.rs` too, without the rest of the crate: so nothing of it is used here.

use std::collections::HashMap;
use std::io::{Error, Result};

pub use super::message::{Message, MessageKind};

/// The first byte of a packet that carries a piece of a display.
///
/// ```
/// use noisebook::show::frame::{DISPLAY, FrameId, packets};
/// assert!(packets(FrameId::random()?, b"{}").all(|packet| packet[0] == DISPLAY));
/// # Ok::<(), std::io::Error>(())
/// ```
pub const DISPLAY: u8 = b'D';

/// The largest number of payload bytes in one packet.
///
/// ```
/// use noisebook::show::frame::{CHUNK, FrameId, packets};
/// assert_eq!(packets(FrameId::random()?, &[0; CHUNK + 1]).count(), 2);
/// # Ok::<(), std::io::Error>(())
/// ```
pub const CHUNK: usize = 48 * 1024;

const HEADER: usize = 1 + 16 + 4 + 4;
const MARKER_START: &str = "\x1b]noisebook;";
const MARKER_END: char = '\x07';

/// The number of bytes of every marker.
///
/// ```
/// use noisebook::show::frame::{FrameId, MARKER_LENGTH};
/// assert_eq!(format!("a{}b", FrameId::random()?.marker()).len(), 2 + MARKER_LENGTH);
/// # Ok::<(), std::io::Error>(())
/// ```
pub const MARKER_LENGTH: usize = MARKER_START.len() + 32 + 1;

/// The random name of one frame.
///
/// ```
/// use noisebook::show::frame::FrameId;
/// let id = FrameId::random()?;
/// assert_eq!(FrameId::find(format!("loss{}\n", id.marker()).as_bytes()), Some((4, id)));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameId([u8; 16]);

impl FrameId {
    /// A new id from the system's random numbers: a generator of our own would be one copy per notebook cell.
    ///
    /// # Errors
    /// A system without random numbers.
    ///
    /// ```
    /// use noisebook::show::frame::FrameId;
    /// assert_ne!(FrameId::random()?, FrameId::random()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn random() -> Result<Self> {
        let mut bytes = [0_u8; 16];
        // SAFETY: the pointer and the length describe `bytes`, which lives through the call.
        let status = unsafe { libc::getentropy(bytes.as_mut_ptr().cast(), bytes.len()) };
        if status == 0 {
            Ok(Self(bytes))
        } else {
            Err(Error::other(format!("no random id: {}", Error::last_os_error())))
        }
    }

    /// The id as 32 hexadecimal digits.
    ///
    /// ```
    /// assert_eq!(noisebook::show::frame::FrameId::random()?.hex().len(), 32);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn hex(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }

    /// What stands in the text where the frame belongs.
    ///
    /// ```
    /// use noisebook::show::frame::{FrameId, MARKER_LENGTH};
    /// assert_eq!(FrameId::random()?.marker().len(), MARKER_LENGTH);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn marker(&self) -> String {
        format!("{MARKER_START}{}{MARKER_END}", self.hex())
    }

    /// The first whole marker in `text`: where it starts, and its id. Whether such a frame came is for the caller to say.
    ///
    /// ```
    /// use noisebook::show::frame::FrameId;
    /// assert_eq!(FrameId::find(b"\x1b]noisebook;no such thing\x07"), None);
    /// ```
    #[must_use]
    pub fn find(text: &[u8]) -> Option<(usize, Self)> {
        (0..text.len().checked_sub(MARKER_LENGTH - 1)?).find_map(|at| Some((at, Self::parse(&text[at..])?)))
    }

    /// How many bytes at the end of `text` may be the beginning of a marker whose rest has not come yet.
    ///
    /// ```
    /// use noisebook::show::frame::FrameId;
    /// assert_eq!(FrameId::unfinished(b"step 3\x1b]noise"), 7);
    /// assert_eq!(FrameId::unfinished(b"step 3\n"), 0);
    /// ```
    #[must_use]
    pub fn unfinished(text: &[u8]) -> usize {
        let longest = text.len().min(MARKER_LENGTH - 1);
        (1..=longest).rev().find(|&n| Self::may_begin(&text[text.len() - n..])).unwrap_or(0)
    }

    fn may_begin(tail: &[u8]) -> bool {
        let start = MARKER_START.as_bytes();
        let known = tail.len().min(start.len());
        tail[..known] == start[..known] && tail[known..].iter().all(|&byte| is_digit(byte))
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let rest = text.strip_prefix(MARKER_START.as_bytes())?;
        let digits = rest.get(..32)?;
        if rest.get(32) != Some(&(MARKER_END as u8)) || !digits.iter().all(|&byte| is_digit(byte)) {
            return None;
        }
        let number = u128::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        Some(Self(number.to_be_bytes()))
    }
}

fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// Cuts a payload into packets, in the order in which they must be sent.
///
/// ```
/// use noisebook::show::frame::{FrameId, Reassembler, packets};
/// let id = FrameId::random()?;
/// let mut reassembler = Reassembler::default();
/// let mut whole = None;
/// for packet in packets(id, &[7; 100_000]) {
///     whole = reassembler.push(&packet)?;
/// }
/// assert_eq!(whole, Some((id, vec![7; 100_000])));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn packets(id: FrameId, payload: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let count = payload.len().div_ceil(CHUNK).max(1);
    (0..count).map(move |index| {
        let offset = index * CHUNK;
        let chunk = &payload[offset..payload.len().min(offset + CHUNK)];
        let mut packet = Vec::with_capacity(HEADER + chunk.len());
        packet.push(DISPLAY);
        packet.extend_from_slice(&id.0);
        packet.extend_from_slice(&(offset as u32).to_le_bytes());
        packet.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        packet.extend_from_slice(chunk);
        packet
    })
}

/// Puts packets together again; frames of several threads may come in between one another.
///
/// ```
/// let mut reassembler = noisebook::show::frame::Reassembler::default();
/// assert!(reassembler.push(b"Dtoo short").is_err());
/// ```
#[derive(Debug, Default)]
pub struct Reassembler {
    partial: HashMap<FrameId, Vec<u8>>,
}

impl Reassembler {
    /// Takes one packet; gives the frame that it completes. A packet out of order drops its frame.
    ///
    /// # Errors
    /// A packet that is no piece of a frame, or is out of order.
    ///
    /// ```
    /// use noisebook::show::frame::{FrameId, Reassembler, packets};
    /// let id = FrameId::random()?;
    /// let packet = packets(id, b"{}").next().unwrap();
    /// assert_eq!(Reassembler::default().push(&packet)?, Some((id, b"{}".to_vec())));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn push(&mut self, packet: &[u8]) -> Result<Option<(FrameId, Vec<u8>)>> {
        let Some((id, offset, total, chunk)) = split(packet) else {
            return Err(Error::other(format!("a packet of {} bytes is no piece of a frame", packet.len())));
        };
        let mut payload = self.partial.remove(&id).unwrap_or_default();
        if payload.len() != offset || total.checked_sub(offset).is_none_or(|rest| chunk.len() > rest) {
            return Err(Error::other(format!("frame {}: a piece at byte {offset} is out of order", id.hex())));
        }
        payload.extend_from_slice(chunk);
        if payload.len() == total {
            return Ok(Some((id, payload)));
        }
        self.partial.insert(id, payload);
        Ok(None)
    }
}

fn split(packet: &[u8]) -> Option<(FrameId, usize, usize, &[u8])> {
    let (header, chunk) = packet.split_at_checked(HEADER)?;
    let (kind, header) = header.split_first()?;
    let (id, header) = header.split_first_chunk::<16>()?;
    let (offset, header) = header.split_first_chunk::<4>()?;
    let total = header.first_chunk::<4>()?;
    (*kind == DISPLAY).then_some((
        FrameId(*id),
        u32::from_le_bytes(*offset) as usize,
        u32::from_le_bytes(*total) as usize,
        chunk,
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_payload_of_any_length_comes_back() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5] {
            let payload: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let id = FrameId::random().unwrap();
            let packets: Vec<_> = packets(id, &payload).collect();
            assert_eq!(packets.len(), length.div_ceil(CHUNK).max(1));
            assert!(packets.iter().all(|packet| packet.len() <= CHUNK + HEADER && packet[0] == b'D'));
            let mut reassembler = Reassembler::default();
            let whole: Vec<_> = packets.iter().filter_map(|packet| reassembler.push(packet).unwrap()).collect();
            assert_eq!(whole, [(id, payload)]);
            assert!(reassembler.partial.is_empty());
        }
    }

    #[test]
    fn frames_of_two_threads_may_mix() {
        let (a, b) = (FrameId::random().unwrap(), FrameId::random().unwrap());
        let long = vec![1; 2 * CHUNK];
        let first: Vec<_> = packets(a, &long).collect();
        let second: Vec<_> = packets(b, b"short").collect();
        let mut reassembler = Reassembler::default();
        assert_eq!(reassembler.push(&first[0]).unwrap(), None);
        assert_eq!(reassembler.push(&second[0]).unwrap(), Some((b, b"short".to_vec())));
        assert_eq!(reassembler.push(&first[1]).unwrap(), Some((a, long)));
    }

    #[test]
    fn a_piece_out_of_order_drops_its_frame() {
        let packets: Vec<_> = packets(FrameId::random().unwrap(), &vec![1; 3 * CHUNK]).collect();
        let mut reassembler = Reassembler::default();
        reassembler.push(&packets[0]).unwrap();
        assert!(reassembler.push(&packets[2]).is_err());
        assert!(reassembler.push(&packets[1]).is_err());
        assert!(reassembler.partial.is_empty());
        let mut longer_than_said = packets[2].clone();
        longer_than_said.push(0);
        assert!(Reassembler::default().push(&longer_than_said).is_err());
    }

    #[test]
    fn the_marker_is_what_the_kernel_expects() {
        let id = FrameId([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff]);
        assert_eq!(id.marker(), "\x1b]noisebook;000102030405060708090a0b0c0d0eff\x07");
        let text = format!("é{}x{}", id.marker(), id.marker());
        assert_eq!(FrameId::find(text.as_bytes()), Some((2, id)));
        assert_eq!(FrameId::find(id.marker().to_uppercase().as_bytes()), None);
        for cut in 1..MARKER_LENGTH {
            let text = format!("loss 0.1 {}", &id.marker()[..cut]);
            assert_eq!(FrameId::unfinished(text.as_bytes()), cut);
            assert_eq!(FrameId::find(text.as_bytes()), None);
        }
        assert_eq!(FrameId::unfinished(id.marker().as_bytes()), 0);
        assert_eq!(FrameId::unfinished(b"\x1b[0m"), 0);
    }
}
