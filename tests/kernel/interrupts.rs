//! Interrupts: of nothing, of builds, of cells that look and of cells that do not.

use crate::client::{Client, receive};
use serde_json::json;
use std::time::{Duration, Instant};

/// Uses the variable `kept`, which holds two numbers.
pub fn check(client: &Client) {
    idle(client);
    code_that_looks(client);
    code_that_fails_then(client);
    code_that_gives_up(client);
    builds(client);
}

fn interrupt(client: &Client) {
    assert_eq!(client.control("interrupt_request", json!({})).content["status"], "ok");
}

fn idle(client: &Client) {
    interrupt(client);
    let run = client.execute("noisebook::show::interrupted()").ok();
    assert_eq!(run.result(), Some("false"));
}

fn code_that_looks(client: &Client) {
    let id = client.send_cell(
        "println!(\"begin\");\nlet begin = std::time::Instant::now();\n\
         while !noisebook::show::interrupted() && begin.elapsed().as_secs() < 20 {\n\
             std::thread::sleep(std::time::Duration::from_millis(10));\n}\nlet looked = begin.elapsed().as_secs() < 20;",
    );
    let next = client.send_cell("1");
    client.wait_for("stream");
    // Control and heartbeat answer while a cell runs, and so does kernel_info on the shell.
    client.heartbeat.send("beat", 0).unwrap();
    assert_eq!(client.heartbeat.recv_bytes(0).unwrap(), b"beat");
    assert_eq!(client.control("kernel_info_request", json!({})).content["implementation"], "noisebook");
    let info = client.send(&client.shell, "kernel_info_request", json!({}));
    let reply = receive(&client.shell, Duration::from_secs(1)).unwrap();
    assert_eq!((reply.kind(), &reply.parent["msg_id"]), ("kernel_info_reply", &json!(info)));
    interrupt(client);
    interrupt(client);
    assert_eq!(client.finish(&id).error().0, "Interrupted");
    assert_eq!(client.finish(&next).reply.content["status"], "aborted");
    // What the cell bound is there, and the request was for that cell only.
    assert_eq!(client.execute("looked && !noisebook::show::interrupted()").ok().result(), Some("true"));
}

/// Whatever it does with what is not there, it was interrupted.
fn code_that_fails_then(client: &Client) {
    let id = client.send_cell(
        "println!(\"begin\");\nwhile !noisebook::show::interrupted() {\n\
             std::thread::sleep(std::time::Duration::from_millis(10));\n}\nkept[9];",
    );
    client.wait_for("stream");
    interrupt(client);
    let (name, _, traceback) = client.finish(&id).error();
    assert_eq!(name, "Interrupted");
    assert!(traceback.contains("index out of bounds") && traceback.contains("5 | kept[9];"), "{traceback}");
}

/// At a `?`, or by a `return`: what it had bound is named.
fn code_that_gives_up(client: &Client) {
    let wait = "println!(\"begin\");\nwhile !noisebook::show::interrupted() {\n    \
                std::thread::sleep(std::time::Duration::from_millis(10));\n}\n";
    client.execute("let rebound = 1;").ok();
    for (end, marked) in [("Err::<u8, _>(\"gave up\")?;", true), ("if true { return Ok(()); }", false)] {
        let id = client.send_cell(&format!("let first = kept.len();\nlet rebound = 2;\n{wait}{end}\nlet last = 2;"));
        client.wait_for("stream");
        interrupt(client);
        let run = client.finish(&id);
        let (name, _, traceback) = run.error();
        assert_eq!(name, "Interrupted");
        let said = "The cell did not come to its end, so what it bound or moved is gone: `first`, `last`, `rebound`.";
        assert!(traceback.ends_with(said), "{traceback}");
        assert_eq!(traceback.contains("gave up\n  --> cell line 7\n"), marked, "{traceback}");
        let note =
            format!("cell [{}], which makes `rebound`, was left before its end", run.reply.content["execution_count"]);
        let (_, _, traceback) = client.execute("rebound").error();
        assert!(traceback.contains(&note), "{traceback}");
        assert_eq!(client.execute("kept.len()").ok().result(), Some("2"));
    }
}

fn builds(client: &Client) {
    for wait in [0, 30, 80, 150, 250] {
        let id = client.send_cell("let unmade = kept.len();\nstd::thread::sleep(std::time::Duration::from_secs(4));");
        client.wait_for("execute_input");
        std::thread::sleep(Duration::from_millis(wait));
        let begin = Instant::now();
        interrupt(client);
        let (name, ..) = client.finish(&id).error();
        assert_eq!(name, "Interrupted");
        assert!(begin.elapsed() < Duration::from_secs(6));
        assert_eq!(client.execute("kept.len()").ok().result(), Some("2"));
    }
    // Nothing of the builds is left behind.
    assert_eq!(client.children("cargo"), 0);
    assert_eq!(client.children("rustc"), 0);
}

pub fn code_that_does_not_look(client: &Client) {
    client.execute("let first = 1; let second = String::from(\"x\");").ok();
    let id =
        client.send_cell("println!(\"begin\");\nloop { std::thread::sleep(std::time::Duration::from_millis(10)); }");
    client.wait_for("stream");
    interrupt(client);
    let notice = client.wait_for("stream");
    assert!(notice.content["text"].as_str().unwrap().contains("Interrupt again"), "{notice:?}");
    interrupt(client);
    let (name, value, traceback) = client.finish(&id).error();
    assert_eq!(name, "Interrupted");
    assert!(value.contains("did not look"), "{value}");
    assert!(traceback.contains("Variables that are gone: first, second."), "{traceback}");
    assert_eq!(client.execute("Tensor::from(1.0).double_value(&[])").ok().result(), Some("1.0"));
}
