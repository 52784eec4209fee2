//! The kernel as a front end sees it: a client starts the program and speaks the protocol with it.
//!
//! One kernel serves all checks of cells, in one test, since starting it is what takes time.

#![cfg(feature = "kernel")]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod bad_input;
mod client;
mod failures;
mod floods;
mod hostile;
mod input;
mod interrupts;
mod language;
mod replies;
mod requests;
mod sessions;
mod training;
mod values;

use client::{Client, cell};
use serde_json::json;
use std::time::{Duration, Instant};

#[test]
fn cells() {
    let _alone = client::alone();
    let client = Client::start();
    prelude(&client);
    results(&client);
    streams(&client);
    displays(&client);
    values::check(&client);
    failures::check(&client);
    replies::check(&client);
    input::check(&client);
    floods::check(&client);
    bad_input::check(&client);
    training::check(&client);
    a_failure_stops_the_queue(&client);
    silence(&client);
    language::check(&client);
    interrupts::check(&client);
    failures::deaths(&client);
    interrupts::code_that_does_not_look(&client);
}

fn prelude(client: &Client) {
    let run = client.execute("use noisebook::prelude::*;\nDataset::digits()?").ok();
    assert_eq!(run.reply.content["execution_count"], 1);
    assert_eq!(run.kinds(), ["execute_input", "execute_result"]);
    let data = &run.all("execute_result")[0].content["data"];
    let html = data["text/html"].as_str().unwrap_or_default();
    assert!(
        data["image/png"].is_string() && html.starts_with("<img alt=\"") && data["image/svg+xml"].is_null(),
        "{data}"
    );
}

fn results(client: &Client) {
    let run = client.execute("let kept = vec![1, 2];\nkept.len()").ok();
    assert_eq!(run.result(), Some("2"));
    assert_eq!(run.all("execute_result")[0].content["execution_count"], 2);
    let run = client.execute("kept.iter().sum::<i32>()").ok();
    assert_eq!(run.result(), Some("3"));
    // A value that takes a variable along draws itself all the same.
    let run = client.execute("let moved = Schedule::linear(10)?;\nstd::convert::identity(moved)").ok();
    assert!(run.all("execute_result")[0].content["data"]["text/html"].is_string(), "{run:#?}");
    let run = client.execute("Tensor::from_slice(&kept)").ok();
    assert!(run.result().unwrap().contains("[2]") || run.result().unwrap().contains('2'), "{run:#?}");
    // A value that is nothing shows nothing.
    assert_eq!(client.execute("()").ok().kinds(), ["execute_input"]);
    let run = client.execute(":vars").ok();
    assert!(run.result().unwrap().contains("kept: Vec<i32>"), "{run:#?}");
}

fn streams(client: &Client) {
    let id = client.send_cell(
        "use std::io::Write;\nprint!(\"part\"); std::io::stdout().flush().unwrap();\n\
         std::thread::sleep(std::time::Duration::from_millis(700));\n\
         print!(\"\\rial\\n\");\neprintln!(\"to err\");\nprint!(\"unflushed\");",
    );
    let first = client.wait_for("stream");
    assert_eq!(first.content, json!({ "name": "stdout", "text": "part" }));
    let run = client.finish(&id).ok();
    assert!(run.reply.arrived - first.arrived > Duration::from_millis(500));
    assert_eq!(run.stream("stdout"), "\rial\nunflushed");
    assert_eq!(run.stream("stderr"), "to err\n");
    let bytes = "std::io::stdout().write_all(b\"a\\xffb EVCXR_ \\x1b]noisebook;00112233445566778899aabbccddeeff\\x07\\n\").unwrap();";
    let run = client.execute(bytes).ok();
    assert_eq!(run.stream("stdout"), "a\u{fffd}b EVCXR_ \x1b]noisebook;00112233445566778899aabbccddeeff\x07\n");
    let run = client.execute("for i in 0..100_000 { println!(\"{i:09}\"); }").ok();
    assert_eq!(run.stream("stdout").len(), 1_000_000);
    assert!(run.outputs.len() < 2_000, "{} messages", run.outputs.len());
}

fn displays(client: &Client) {
    let run = client
        .execute(
            "use noisebook::show::Bundle;\nprintln!(\"one\");\nBundle::text(\"two\").html(\"<b>two</b>\").show()?;\n\
             println!(\"three\");\nstd::thread::sleep(std::time::Duration::from_millis(500));\nBundle::text(\"four\")",
        )
        .ok();
    assert_eq!(run.kinds(), ["execute_input", "stream", "display_data", "stream", "execute_result"]);
    let display = run.all("display_data")[0];
    assert_eq!(display.content["data"], json!({ "text/plain": "two", "text/html": "<b>two</b>" }));
    assert_eq!(run.result(), Some("four"));
    // While the cell runs, not at its end.
    let id =
        client.send_cell("Bundle::text(\"now\").show()?;\nstd::thread::sleep(std::time::Duration::from_millis(700));");
    let display = client.wait_for("display_data");
    let run = client.finish(&id).ok();
    assert!(run.reply.arrived - display.arrived > Duration::from_millis(500));
    let run = client.execute("noisebook::show::clear_output()?;").ok();
    assert_eq!(run.kinds(), ["execute_input", "clear_output"]);
    // MIME blocks of other crates: one in the middle, one at the end.
    let block = "println!(\"EVCXR_BEGIN_CONTENT text/html\\n<i>x</i>\\nEVCXR_END_CONTENT\");";
    let run = client.execute(&format!("{block}\nprintln!(\"text\");\n{block}")).ok();
    assert_eq!(run.kinds(), ["execute_input", "display_data", "stream", "execute_result"]);
    assert_eq!(run.all("display_data")[0].content["data"], json!({ "text/html": "<i>x</i>" }));
}

fn a_failure_stops_the_queue(client: &Client) {
    let first = client.send_cell("std::thread::sleep(std::time::Duration::from_millis(300)); panic!(\"stop\");");
    let second = client.send_cell("1");
    let third = client.send_cell("2");
    let run = client.finish(&first);
    assert_eq!(run.error().1, "stop");
    for id in [second, third] {
        let run = client.finish(&id);
        assert_eq!(run.reply.content["status"], "aborted");
        assert!(run.outputs.is_empty());
    }
    assert_eq!(client.execute("3").ok().result(), Some("3"));
}

fn silence(client: &Client) {
    let count = client.execute("0").ok().reply.content["execution_count"].as_u64().unwrap();
    let mut content = cell("let quiet = 1; println!(\"quiet\"); quiet");
    content["silent"] = true.into();
    let run = client.finish(&client.send(&client.shell, "execute_request", content)).ok();
    assert!(run.outputs.is_empty(), "{run:#?}");
    let run = client.execute("quiet").ok();
    assert_eq!(run.reply.content["execution_count"], count + 1);
    let mut content = cell("quiet");
    content["store_history"] = false.into();
    let run = client.finish(&client.send(&client.shell, "execute_request", content)).ok();
    assert_eq!(run.reply.content["execution_count"], count + 1);
    assert_eq!(run.result(), Some("1"));
}

#[test]
fn channels() {
    let _alone = client::alone();
    let mut client = Client::start();
    let id = client.send(&client.shell, "kernel_info_request", json!({}));
    let info = client.finish(&id).reply;
    assert_eq!(info.kind(), "kernel_info_reply");
    assert_eq!(info.content["language_info"]["name"], "rust");
    assert_eq!(info.content["language_info"]["file_extension"], ".rs");
    assert_ne!(info.header["session"], info.parent["session"]);
    // Messages with a wrong signature, or of no shape at all, are dropped.
    client.send_signed(&client.shell, "kernel_info_request", json!({}), "another key");
    client.send_signed(&client.control, "shutdown_request", json!({ "restart": false }), "another key");
    client.shell.send_multipart([b"<IDS|MSG>".to_vec(), vec![0xff; 3]], 0).unwrap();
    client.control.send(&b"nonsense"[..], 0).unwrap();
    requests::check(&client);
    hostile::check(&client);
    // Shutdown is quick, also while the kernel still starts what runs the cells.
    let begin = Instant::now();
    let reply = client.control("shutdown_request", json!({ "restart": true }));
    assert_eq!(reply.content, json!({ "status": "ok", "restart": true }));
    assert!(client.kernel.wait().unwrap().success());
    assert!(begin.elapsed() < Duration::from_secs(2));
}
