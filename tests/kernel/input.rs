//! Cells that read standard input: from the front end, if it takes questions.

use crate::client::{Client, cell, receive};
use serde_json::json;
use std::time::{Duration, Instant};

const READ: &str =
    "let mut line = String::new();\nprintln!(\"Who?\");\nlet length = std::io::stdin().read_line(&mut line)?;\n";

/// Uses `kept`, a vector of two numbers.
pub fn check(client: &Client) {
    nobody_to_ask(client);
    answers(client);
    an_interrupt(client);
    other_processes(client);
}

fn ask(client: &Client, code: &str) -> String {
    let mut content = cell(code);
    content["allow_stdin"] = true.into();
    client.send(&client.shell, "execute_request", content)
}

/// Waits for the question of a cell.
fn question(client: &Client, id: &str) {
    let question = receive(&client.stdin, Duration::from_secs(60)).expect("a question");
    assert_eq!((question.kind(), &question.parent["msg_id"]), ("input_request", &json!(id)));
    assert_eq!(question.content, json!({ "prompt": "", "password": false }));
}

fn nobody_to_ask(client: &Client) {
    let begin = Instant::now();
    let run = client.execute(&format!("{READ}let next = std::io::stdin().lines().count();\n(length, line, next)")).ok();
    assert!(begin.elapsed() < Duration::from_secs(20));
    assert_eq!((run.result(), run.stream("stdout").as_str()), (Some("(0, \"\", 0)"), "Who?\n"));
    let said = "The cell reads standard input, which is empty: this front end asks nobody. Write the text into the cell instead: \
                `let text = \"...\";`\n";
    assert_eq!(run.stream("stderr"), said);
    assert!(receive(&client.stdin, Duration::from_millis(200)).is_none());
}

fn answers(client: &Client) {
    let id =
        ask(client, &format!("{READ}let second = std::io::stdin().lines().next().unwrap()?;\n(length, line, second)"));
    // What was printed before a question stands above it.
    assert_eq!(client.wait_for("stream").content["text"], "Who?\n");
    question(client, &id);
    assert!(receive(&client.shell, Duration::from_millis(300)).is_none());
    client.send(&client.stdin, "input_reply", json!({ "value": "Zoë" }));
    question(client, &id);
    client.send(&client.stdin, "input_reply", json!({ "value": "" }));
    let run = client.finish(&id).ok();
    assert_eq!(run.result(), Some("(5, \"Zoë\\n\", \"\")"), "{run:#?}");
    // An answer that comes when nobody waits is for no later question.
    client.send(&client.stdin, "input_reply", json!({ "value": "late" }));
    let id = ask(client, &format!("{READ}line"));
    question(client, &id);
    client.send(&client.stdin, "input_reply", json!({ "value": "now" }));
    assert_eq!(client.finish(&id).ok().result(), Some("\"now\\n\""));
}

fn an_interrupt(client: &Client) {
    let id = ask(client, READ);
    question(client, &id);
    let begin = Instant::now();
    assert_eq!(client.control("interrupt_request", json!({})).content["status"], "ok");
    let (name, _, traceback) = client.finish(&id).error();
    assert!(begin.elapsed() < Duration::from_secs(2));
    assert_eq!(name, "Interrupted");
    assert!(traceback.contains("what it bound or moved is gone: `length`, `line`."), "{traceback}");
    assert_eq!(client.execute("kept.len()").ok().result(), Some("2"));
}

/// They do not read what is meant for the kernel.
fn other_processes(client: &Client) {
    let run = client.execute("std::process::Command::new(\"cat\").output()?.stdout.len()").ok();
    assert_eq!((run.result(), run.stream("stderr").as_str()), (Some("0"), ""));
}
