//! Kernels side by side, their ends, and what they leave behind.

use crate::client::Client;
use serde_json::json;
use std::path::PathBuf;
use std::time::{Duration, Instant};

#[test]
fn sessions() {
    let _alone = crate::client::alone();
    let mut first = Client::start();
    let mut second = Client::start();
    let [(one, process), (two, _)] = [&first, &second].map(|client| {
        client.execute("let here = std::env::var(\"EVCXR_TMPDIR\")?;").ok();
        let folder = client.execute("here").ok().result().unwrap().trim_matches('"').to_string();
        let process = client.execute("std::process::id()").ok().result().unwrap().to_string();
        (PathBuf::from(folder), PathBuf::from("/proc").join(process))
    });
    assert!(one != two && one.exists() && two.exists());

    // A kernel that is killed takes its processes along, and the next one removes what it left.
    first.kernel.kill().unwrap();
    first.kernel.wait().unwrap();
    eventually(|| !process.exists());
    let third = Client::start();
    third.execute("1").ok();
    assert!(!one.exists());

    // One that is asked to end leaves nothing, whatever is being built.
    assert_eq!(second.execute("here.len()").ok().result(), Some(two.display().to_string().len().to_string().as_str()));
    second.send_cell("let building = vec![1, 2, 3];");
    second.wait_for("execute_input");
    second.control("shutdown_request", json!({ "restart": false }));
    second.kernel.wait().unwrap();
    eventually(|| !two.exists());
}

/// The first cell waits until the kernel can run cells. An interrupt is for it all the same.
#[test]
fn the_first_cell_can_be_interrupted() {
    let _alone = crate::client::alone();
    let client = Client::start();
    let id = client.send_cell("let a = 1;\nloop { std::thread::sleep(std::time::Duration::from_millis(10)); }");
    client.send(&client.shell, "kernel_info_request", json!({}));
    client.wait_for("status");
    client.control("interrupt_request", json!({}));
    let begin = Instant::now();
    let reply = loop {
        let reply = crate::client::receive(&client.shell, Duration::from_secs(30)).unwrap();
        if reply.parent["msg_id"] == id {
            break reply;
        }
    };
    assert_eq!((&reply.content["status"], &reply.content["ename"]), (&json!("error"), &json!("Interrupted")));
    assert!(begin.elapsed() < Duration::from_secs(10));
}

fn eventually(happened: impl Fn() -> bool) {
    let begin = Instant::now();
    while !happened() {
        assert!(begin.elapsed() < Duration::from_secs(5));
        std::thread::sleep(Duration::from_millis(50));
    }
}
