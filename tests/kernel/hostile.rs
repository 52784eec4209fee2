//! Messages that somebody without the key sends, on every socket.

use crate::client::{Client, KEY};
use serde_json::json;
use std::time::Duration;

const MESSAGES: usize = 10_000;

pub fn check(client: &Client) {
    let (_, right) = client.frames("execute_request", json!({ "code": "std::process::abort()" }), "another key");
    let (_, signed) = client.frames("shutdown_request", json!({}), KEY);
    for (kind, channel) in [(zmq::DEALER, 0), (zmq::DEALER, 2), (zmq::DEALER, 3), (zmq::DEALER, 4), (zmq::XSUB, 1)] {
        let socket = client.connect(kind, channel);
        for index in 0..MESSAGES {
            socket.send_multipart(malformed(index, &right, &signed), 0).unwrap();
        }
        // All of them have gone when the socket is closed.
        socket.set_linger(10_000).unwrap();
    }
    // A frame larger than any message ends its connection and nothing else.
    let huge = client.connect(zmq::DEALER, 0);
    huge.send(vec![0_u8; 65 * 1024 * 1024], 0).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(client.ask("kernel_info_request", json!({}))["status"], "ok");
    assert_eq!(client.control("kernel_info_request", json!({})).content["status"], "ok");
    client.heartbeat.set_rcvtimeo(1_000).unwrap();
    client.heartbeat.send("beat", 0).unwrap();
    assert_eq!(client.heartbeat.recv_bytes(0).unwrap(), b"beat");
}

fn malformed(index: usize, right: &[Vec<u8>], signed: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let noise = |length: usize| (0..length).map(|at| (at * index % 251) as u8).collect::<Vec<u8>>();
    match index % 10 {
        0 => right.to_vec(),
        // A part less, a part changed, a signature of another length.
        1 => signed[..1 + index % 5].to_vec(),
        2 => {
            signed.iter().enumerate().map(|(at, frame)| if at == 5 { b"{ }".to_vec() } else { frame.clone() }).collect()
        }
        3 => signed
            .iter()
            .enumerate()
            .map(|(at, frame)| if at == 1 { noise(index % 70) } else { frame.clone() })
            .collect(),
        4 => vec![Vec::new()],
        5 => vec![noise(index)],
        6 => vec![vec![1]; 100],
        7 => vec![vec![(index % 256) as u8]],
        8 => [vec![vec![]], right.to_vec()].concat(),
        _ => vec![b"<IDS|MSG>".to_vec(); 7],
    }
}
