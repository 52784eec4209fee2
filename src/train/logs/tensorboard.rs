//! TensorBoard's event files: records of TFRecord around the protocol buffer `Event` (tensorflow/core/util/event.proto).
//!
//! A record is its length (8 bytes), the checksum of that, the data, and the checksum of the data. A field of a protocol
//! buffer is a key, 8 x its number + its wire type, and a value: 0 a varint, 1 eight bytes, 2 a length and bytes, 5 four bytes.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// An event file that is being written.
#[derive(Debug)]
pub(super) struct EventFile {
    file: File,
}

/// Counts of numbers in bins that end at `limits`.
#[derive(Debug)]
pub(super) struct Histogram {
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) count: f64,
    pub(super) sum: f64,
    pub(super) sum_of_squares: f64,
    pub(super) limits: Vec<f64>,
    pub(super) counts: Vec<f64>,
}

impl EventFile {
    /// Begins a file in `folder`. TensorBoard forgets what an earlier one says of steps from `step` on.
    pub(super) fn create(folder: &Path, step: usize) -> io::Result<Self> {
        let (seconds, process) = (now(), std::process::id());
        let name = format!("events.out.tfevents.{:010}.noisebook.{process}.{step}", seconds as u64);
        let mut file = Self { file: File::create(folder.join(name))? };
        file.event(0, &bytes(3, b"brain.Event:2"))?;
        if step > 0 {
            file.event(step, &bytes(7, &varint(1, 1)))?; // a session log: START
        }
        Ok(file)
    }

    pub(super) fn scalar(&mut self, step: usize, tag: &str, value: f64) -> io::Result<()> {
        let mut field = vec![key(2, 5)];
        field.extend((value as f32).to_le_bytes());
        self.value(step, tag, &field)
    }

    /// A PNG file of this size.
    pub(super) fn image(&mut self, step: usize, tag: &str, (width, height): (u32, u32), png: &[u8]) -> io::Result<()> {
        let image = [
            varint(1, u64::from(height)),
            varint(2, u64::from(width)),
            varint(3, 3), // colours: RGB
            bytes(4, png),
        ];
        self.value(step, tag, &bytes(4, &image.concat()))
    }

    pub(super) fn histogram(&mut self, step: usize, tag: &str, histogram: &Histogram) -> io::Result<()> {
        let packed = |numbers: &[f64]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
        let fields = [
            double(1, histogram.min),
            double(2, histogram.max),
            double(3, histogram.count),
            double(4, histogram.sum),
            double(5, histogram.sum_of_squares),
            bytes(6, &packed(&histogram.limits)),
            bytes(7, &packed(&histogram.counts)),
        ];
        self.value(step, tag, &bytes(5, &fields.concat()))
    }

    fn value(&mut self, step: usize, tag: &str, field: &[u8]) -> io::Result<()> {
        let value = [bytes(1, tag.as_bytes()), field.to_vec()].concat();
        self.event(step, &bytes(5, &bytes(1, &value)))
    }

    fn event(&mut self, step: usize, what: &[u8]) -> io::Result<()> {
        let event = [double(1, now()), varint(2, step as u64), what.to_vec()].concat();
        self.file.write_all(&record(&event))
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |passed| passed.as_secs_f64())
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let parts: [&[u8]; 4] = [&length, &masked(&length).to_le_bytes(), data, &masked(data).to_le_bytes()];
    parts.concat()
}

/// A checksum that is no checksum of a record which holds it.
fn masked(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Castagnoli's polynomial, bits reversed (RFC 3720, appendix B.4).
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = (byte as u32, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

fn crc32c(data: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    !data.iter().fold(!0, |crc: u32, byte| (crc >> 8) ^ TABLE[usize::from(crc as u8 ^ byte)])
}

fn key(field: u8, wire: u8) -> u8 {
    field << 3 | wire
}

fn base128(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 128 {
        bytes.push(value as u8 | 128);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn varint(field: u8, value: u64) -> Vec<u8> {
    [vec![key(field, 0)], base128(value)].concat()
}

fn double(field: u8, value: f64) -> Vec<u8> {
    [&[key(field, 1)][..], &value.to_le_bytes()].concat()
}

fn bytes(field: u8, data: &[u8]) -> Vec<u8> {
    [&[key(field, 2)][..], &base128(data.len() as u64), data].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3720, appendix B.4.
    #[test]
    fn checksums_are_those_of_the_standard() {
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    /// The bytes of a scalar as `tensorboard.compat.proto.event_pb2` and `RecordWriter` of TensorBoard 2.20 write them.
    #[test]
    fn a_record_is_that_of_tensorboard() {
        let value = [bytes(1, b"loss"), [&[key(2, 5)][..], &0.5f32.to_le_bytes()].concat()].concat();
        let event = [double(1, 1.5), varint(2, 300), bytes(5, &bytes(1, &value))].concat();
        let expected: &[u8] = include!("../../../tests/fixtures/events.in");
        assert_eq!(record(&event), expected);
    }
}
