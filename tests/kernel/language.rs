//! Completion and inspection, while nothing runs and while a cell does.

use crate::client::{Client, Message, receive};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Uses the variable `kept`, a vector.
pub fn check(client: &Client) {
    client.execute("use noisebook::prelude::*;\n/// Adds one.\nfn successor(of: u8) -> u8 { of + 1 }").ok();
    // rust-analyzer reads the crate in the background; until then only variables are completed.
    let begin = Instant::now();
    while matches(&complete(client, "Schedule::lin")).is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(300), "no completion");
        std::thread::sleep(Duration::from_secs(1));
    }
    let wait = "while !noisebook::show::interrupted() { std::thread::sleep(std::time::Duration::from_millis(10)); }";
    let id = client.send_cell(&format!("println!(\"begin\");\n{wait}"));
    client.wait_for("stream");
    answers(client);
    client.control("interrupt_request", json!({}));
    assert_eq!(client.finish(&id).error().0, "Interrupted");
    answers(client);
    what_a_cell_can_use(client);
}

fn answers(client: &Client) {
    let reply = completed(client, "let é = Schedule::lin");
    assert_eq!(matches(&reply), ["linear"]);
    assert_eq!((&reply.content["cursor_start"], &reply.content["cursor_end"]), (&json!(18), &json!(21)));
    assert!(matches(&completed(client, "kept.le")).contains(&"len"));
    assert_eq!(matches(&completed(client, "succ")), ["successor"]);
    assert_eq!(matches(&completed(client, ":he")), [":help"]);

    let text = found(client, "Schedule::cosine(1_000)?", 12);
    assert!(text.contains("pub fn cosine(levels: usize)") && text.contains("Nichol & Dhariwal 2021"), "{text}");
    assert!(text.contains("\nErrors:\n") && !text.contains("# Ok::<"), "{text}");
    assert!(found(client, "successor(1)", 9).contains("Adds one."));
    assert!(found(client, "kept", 2).contains("Vec<i32>"));
    assert_eq!(inspect(client, "1 + 1", 2), "");
}

fn what_a_cell_can_use(client: &Client) {
    // A range is no link, and a link is its text.
    let text = found(client, "Dataset", 3);
    assert!(text.contains("float32, in [-1, 1]; or points") && !text.contains('`'), "{text}");
    // A cell cannot use what is private.
    let offered = completed(client, "Trainer::new(&model).");
    assert!(matches(&offered).contains(&"steps") && !matches(&offered).contains(&"check"), "{offered:?}");
    let offered = completed(client, "Dataset::");
    assert!(matches(&offered).contains(&"digits") && !matches(&offered).contains(&"check_range"), "{offered:?}");
    let offered = completed(client, "noisebook::");
    assert!(matches(&offered).contains(&"prelude::") && !matches(&offered).contains(&"labels::"), "{offered:?}");
    assert_eq!(matches(&completed(client, "let mut v = kept.clone(); v.extend_from_sl")), ["extend_from_slice"]);
    assert_eq!(inspect(client, "\"Dataset\"", 3), "");
    assert_eq!(inspect(client, "// Dataset", 5), "");
}

/// An answer with something in it. On a busy machine the first ones may be empty, since they must not be late.
fn found(client: &Client, code: &str, cursor: usize) -> String {
    let mut texts = std::iter::repeat_with(|| inspect(client, code, cursor)).take(20);
    texts.find(|text| !text.is_empty()).unwrap_or_default()
}

fn ask(client: &Client, kind: &str, content: Value) -> Message {
    let id = client.send(&client.shell, kind, content);
    let reply = receive(&client.shell, Duration::from_secs(30)).expect("an answer");
    assert_eq!((&reply.parent["msg_id"], &reply.content["status"]), (&json!(id), &json!("ok")), "{reply:?}");
    reply
}

fn complete(client: &Client, code: &str) -> Message {
    let reply = ask(client, "complete_request", json!({ "code": code, "cursor_pos": code.chars().count() }));
    assert_eq!(reply.kind(), "complete_reply");
    reply
}

/// A reply with something in it, as in `found`.
fn completed(client: &Client, code: &str) -> Message {
    let mut replies = std::iter::repeat_with(|| complete(client, code)).take(20);
    replies.find(|reply| !matches(reply).is_empty()).expect("a completion")
}

fn matches(reply: &Message) -> Vec<&str> {
    reply.content["matches"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

fn inspect(client: &Client, code: &str, cursor: usize) -> String {
    let content = json!({ "code": code, "cursor_pos": cursor, "detail_level": 0 });
    let reply = ask(client, "inspect_request", content);
    let text = reply.content["data"]["text/plain"].as_str().unwrap_or_default().to_string();
    assert_eq!(reply.content["found"], !text.is_empty());
    assert_eq!(reply.content["data"]["text/html"].is_string(), !text.is_empty());
    text
}
