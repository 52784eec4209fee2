//! Requests that need no cell, and broadcasts that are of none.

use crate::client::{Client, KEY, receive};
use serde_json::json;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

pub fn check(client: &Client) {
    welcome(client);
    completeness(client);
    comms(client);
    info(client);
    odd(client);
    a_stop(client);
}

/// Every subscription is greeted, under its own topic.
fn welcome(client: &Client) {
    let all = client.connect(zmq::SUB, 1);
    all.set_subscribe(b"").unwrap();
    let greeting = receive(&all, SECOND).unwrap();
    assert_eq!((greeting.kind(), &greeting.content), ("iopub_welcome", &json!({ "subscription": "" })));
    assert_eq!(greeting.parent, json!({}));
    let second = client.connect(zmq::SUB, 1);
    for topic in ["kernel.", "comm\u{e9}"] {
        second.set_subscribe(topic.as_bytes()).unwrap();
        let frames = second.recv_multipart(0).unwrap();
        assert_eq!(frames[0], topic.as_bytes());
        let greeting = receive(&all, SECOND).unwrap();
        assert_eq!(greeting.content, json!({ "subscription": topic }));
    }
    second.set_unsubscribe(b"kernel.").unwrap();
    assert!(receive(&all, Duration::from_millis(100)).is_none());
}

fn completeness(client: &Client) {
    let ask = |code: &str| client.ask("is_complete_request", json!({ "code": code }));
    // On a busy machine even a short parse may come too late.
    let told = |code: &str| {
        let answers = || (0..10).map(|_| ask(code));
        answers().find(|answer| answer["status"] != "unknown").expect("an answer")
    };
    assert_eq!(told("let x = 1;\nx"), json!({ "status": "complete" }));
    assert_eq!(told("fn f() {"), json!({ "status": "incomplete", "indent": "    " }));
    assert_eq!(told(")"), json!({ "status": "invalid" }));
    // Code that takes the parser seconds is answered in time too.
    for deep in ["(", "{", "<", "-", "a("] {
        ask(&deep.repeat(32_000 / deep.len()));
    }
    assert_eq!(ask(&"x".repeat(1_000_000)), json!({ "status": "unknown" }));
}

/// A front end that opens a comm hears that nobody is there.
fn comms(client: &Client) {
    assert_eq!(client.ask("comm_info_request", json!({}))["comms"], json!({}));
    let open = json!({ "comm_id": "c1", "target_name": "jupyter.widget", "data": {} });
    let id = client.send(&client.shell, "comm_open", open);
    let outputs = client.idle_after(&id);
    assert_eq!(outputs.iter().map(|message| message.kind()).collect::<Vec<_>>(), ["comm_close"]);
    assert_eq!(outputs[0].content, json!({ "comm_id": "c1", "data": {} }));
    for kind in ["comm_msg", "comm_close"] {
        let id = client.send(&client.shell, kind, json!({ "comm_id": "c1", "data": {} }));
        assert!(client.idle_after(&id).is_empty());
    }
}

fn info(client: &Client) {
    let on_shell = client.ask("kernel_info_request", json!({}));
    assert_eq!((&on_shell["protocol_version"], &on_shell["supported_features"]), (&json!("5.5"), &json!([])));
    assert_eq!(client.control("kernel_info_request", json!({})).content, on_shell);
}

/// Nothing that a field may hold is a reason to fail, and nothing unknown stays busy.
fn odd(client: &Client) {
    for kind in ["kernel_info", "comm_info", "history", "is_complete"] {
        for value in [json!(null), json!(5), json!([[]]), json!({ "a": {} }), json!("\u{0}")] {
            let mut content = json!({});
            for field in ["code", "hist_access_type", "n", "session", "start", "stop", "pattern", "output", "unique"] {
                content[field] = value.clone();
            }
            let reply = client.ask(&format!("{kind}_request"), content);
            assert!(reply["status"].is_string(), "{kind}: {reply}");
        }
    }
    for (socket, kind) in
        [(&client.shell, "debug_request"), (&client.control, "create_subshell_request"), (&client.shell, "x")]
    {
        let id = client.send(socket, kind, json!({}));
        assert!(client.idle_after(&id).is_empty());
    }
    // Sent twice, it is run once.
    let (id, frames) = client.frames("kernel_info_request", json!({}), KEY);
    client.shell.send_multipart(&frames, 0).unwrap();
    assert_eq!(receive(&client.shell, SECOND).unwrap().parent["msg_id"], json!(id));
    client.shell.send_multipart(&frames, 0).unwrap();
    client.control.send_multipart(&frames, 0).unwrap();
    let none = |socket| receive(socket, Duration::from_millis(300)).is_none();
    assert!(none(&client.shell) && none(&client.control));
    client.ask("kernel_info_request", json!({}));
}

/// A process that was stopped, as a terminal or a laptop's lid does it, goes on.
fn a_stop(client: &Client) {
    for signal in [libc::SIGSTOP, libc::SIGCONT] {
        // SAFETY: takes numbers only.
        assert_eq!(unsafe { libc::kill(client.kernel.id() as i32, signal) }, 0);
        std::thread::sleep(Duration::from_millis(100));
    }
    info(client);
    client.heartbeat.send("beat", 0).unwrap();
    assert_eq!(client.heartbeat.recv_bytes(0).unwrap(), b"beat");
}
