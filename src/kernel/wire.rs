//! Messages as the frames of a zmq message, signed with HMAC-SHA256.

use super::message::Message;
use super::{Result, lock};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};

const DELIMITER: &[u8] = b"<IDS|MSG>";
/// Routing takes a frame or two.
const MOST_FRAMES: usize = 64;
/// How many signatures are remembered: as many as in jupyter_client.
const REMEMBERED: usize = 1 << 16;

/// Signs what goes out and checks what comes in.
#[derive(Clone)]
pub struct Signer {
    /// None if the connection file has no key: then nothing is signed.
    mac: Option<Hmac<Sha256>>,
    seen: Arc<Mutex<Seen>>,
}

/// The signatures that came in last, on all channels: each is good for one message, or whoever listens could send a
/// cell again.
#[derive(Default)]
struct Seen {
    signatures: HashSet<Vec<u8>>,
    order: VecDeque<Vec<u8>>,
}

impl Seen {
    fn is_new(&mut self, signature: Vec<u8>) -> bool {
        if !self.signatures.insert(signature.clone()) {
            return false;
        }
        self.order.push_back(signature);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.signatures.remove(&oldest);
        }
        true
    }
}

impl Signer {
    pub fn new(key: &str) -> Result<Self> {
        if key.is_empty() {
            return Ok(Self { mac: None, seen: Arc::default() });
        }
        let mac =
            Hmac::new_from_slice(key.as_bytes()).map_err(|error| format!("the connection file's key: {error}"))?;
        Ok(Self { mac: Some(mac), seen: Arc::default() })
    }

    /// The frames of a message.
    pub fn encode(&self, message: &Message) -> Vec<Vec<u8>> {
        let parts = [&message.header, &message.parent, &message.metadata, &message.content]
            .map(|part| part.to_string().into_bytes());
        let mut frames = message.identities.clone();
        frames.push(DELIMITER.to_vec());
        frames.push(self.sign(&parts).into_bytes());
        frames.extend(parts);
        frames
    }

    /// The message in some frames; an error says what is wrong with them.
    pub fn decode(&self, mut frames: Vec<Vec<u8>>) -> Result<Message> {
        if frames.len() > MOST_FRAMES {
            return Err(format!("{} frames", frames.len()).into());
        }
        let Some(delimiter) = frames.iter().position(|frame| frame == DELIMITER) else {
            return Err("no delimiter".into());
        };
        let rest = frames.split_off(delimiter);
        // Delimiter, signature and four parts; buffers may follow, and no request that this kernel knows has any.
        if rest.len() < 6 {
            return Err(format!("{} frames where 6 belong", rest.len()).into());
        }
        let parts = &rest[2..6];
        self.check(&rest[1], parts)?;
        let parse = |index: usize| -> Result<Value> {
            let value: Value = serde_json::from_slice(&rest[index])?;
            if value.is_object() { Ok(value) } else { Err("a part that is no JSON object".into()) }
        };
        let message = Message {
            identities: frames,
            header: parse(2)?,
            parent: parse(3)?,
            metadata: parse(4)?,
            content: parse(5)?,
        };
        if message.kind().is_empty() { Err("no msg_type".into()) } else { Ok(message) }
    }

    fn mac(&self, parts: &[Vec<u8>]) -> Option<Hmac<Sha256>> {
        let mut mac = self.mac.clone()?;
        parts.iter().for_each(|part| mac.update(part));
        Some(mac)
    }

    fn sign(&self, parts: &[Vec<u8>]) -> String {
        let Some(mac) = self.mac(parts) else { return String::new() };
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn check(&self, signature: &[u8], parts: &[Vec<u8>]) -> Result<()> {
        let Some(mac) = self.mac(parts) else { return Ok(()) };
        let digits: Option<Vec<u8>> = signature.chunks(2).map(hex_byte).collect();
        match digits {
            Some(bytes) if mac.verify_slice(&bytes).is_ok() => {
                if lock(&self.seen).is_new(bytes) {
                    Ok(())
                } else {
                    Err("it came before".into())
                }
            }
            _ => Err("a wrong signature".into()),
        }
    }
}

fn hex_byte(pair: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(pair).ok().filter(|text| text.len() == 2)?;
    u8::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::kernel::message::Author;
    use serde_json::json;

    fn frames(signer: &Signer) -> Vec<Vec<u8>> {
        let mut message = Author::new().broadcast(&json!({}), "kernel_info_request", json!({"a": 1}));
        message.identities = vec![b"client".to_vec(), b"two".to_vec()];
        signer.encode(&message)
    }

    #[test]
    fn a_message_survives_the_way() {
        for key in ["", "secret"] {
            let signer = Signer::new(key).unwrap();
            let message = signer.decode(frames(&signer)).unwrap();
            assert_eq!(message.kind(), "kernel_info_request");
            assert_eq!(message.identities, [b"client".to_vec(), b"two".to_vec()]);
            assert_eq!(message.content, json!({"a": 1}));
        }
    }

    #[test]
    fn the_signature_is_the_protocols() {
        // From Python: hmac.new(b"key", b"abcd", "sha256").hexdigest()
        let parts = [b"a".to_vec(), b"b".to_vec(), b"c".to_vec(), b"d".to_vec()];
        let expected = "2a31ec0ee8d878c9eece9fb0df79b3b90b2256240163aa5ee50d176d3d1121f8";
        assert_eq!(Signer::new("key").unwrap().sign(&parts), expected);
    }

    #[test]
    fn a_message_is_good_for_one_time() {
        let signer = Signer::new("secret").unwrap();
        let first = frames(&signer);
        assert!(signer.decode(first.clone()).is_ok());
        // On another channel, from another sender, in other letters: it is the same message.
        let mut again = first.clone();
        again[0] = b"somebody".to_vec();
        again[3].make_ascii_uppercase();
        assert!(signer.clone().decode(again).unwrap_err().to_string().contains("before"));
        // What is remembered does not grow.
        let mut seen = Seen::default();
        assert!((0..=REMEMBERED).all(|number| seen.is_new(number.to_le_bytes().to_vec())));
        assert_eq!((seen.signatures.len(), seen.order.len()), (REMEMBERED, REMEMBERED));
        assert!(!seen.is_new(1_usize.to_le_bytes().to_vec()) && seen.is_new(0_usize.to_le_bytes().to_vec()));
    }

    #[test]
    fn tampering_is_refused() {
        let signer = Signer::new("secret").unwrap();
        let whole = frames(&signer);
        let mut changed = whole.clone();
        *changed.last_mut().unwrap() = b"{\"a\": 2}".to_vec();
        assert!(signer.decode(changed).unwrap_err().to_string().contains("signature"));
        for signature in [&b""[..], b"0", b"zz", b"00"] {
            let mut changed = whole.clone();
            changed[3] = signature.to_vec();
            assert!(signer.decode(changed).is_err());
        }
        assert!(Signer::new("other").unwrap().decode(whole.clone()).is_err());
        for length in 0..whole.len() {
            assert!(signer.decode(whole[..length].to_vec()).is_err());
        }
        assert!(signer.decode(vec![whole[0].clone(); 100_000]).is_err());
        let unsigned = Signer::new("").unwrap();
        for part in [&b"[]"[..], b"{", b"\xff"] {
            let mut changed = frames(&unsigned);
            *changed.last_mut().unwrap() = part.to_vec();
            assert!(unsigned.decode(changed).is_err());
        }
    }
}
