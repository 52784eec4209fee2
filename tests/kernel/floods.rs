//! Cells that print more than anybody can read.

use crate::client::{Client, Message};
use serde_json::json;
use std::time::{Duration, Instant};

pub fn check(client: &Client) {
    below_the_limit(client);
    text_without_end(client);
    panics_without_end(client);
}

fn below_the_limit(client: &Client) {
    let run =
        client.execute("for i in 0..400_000 { println!(\"{i:09}\"); }\nfor i in 0..300_000 { eprintln!(\"{i:09}\"); }");
    let run = run.ok();
    let numbers = |count: usize| (0..count).map(|i| format!("{i:09}\n")).collect::<String>();
    assert!(run.stream("stdout") == numbers(400_000) && run.stream("stderr") == numbers(300_000));
}

/// The kernel answers meanwhile; what is shown is the beginning, how much is missing, and the end.
fn text_without_end(client: &Client) {
    let before = memory(client);
    let id = client.send_cell(
        "let begin = std::time::Instant::now();\nlet mut lines = 0_u64;\n\
         while begin.elapsed().as_secs() < 4 { println!(\"line {lines:09} of a flood\"); lines += 1; }\nlines",
    );
    client.wait_for("display_data");
    let begin = Instant::now();
    for _ in 0..20 {
        assert_eq!(client.ask("kernel_info_request", json!({}))["status"], "ok");
        assert_eq!(client.ask("history_request", json!({ "hist_access_type": "tail", "n": 1 }))["status"], "ok");
        assert_eq!(client.control("kernel_info_request", json!({})).content["status"], "ok");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(begin.elapsed() < Duration::from_secs(3));
    let grown = memory(client).saturating_sub(before);
    let run = client.finish(&id).ok();
    let lines: u64 = run.result().unwrap().parse().unwrap();
    assert!(lines * 26 > 20_000_000, "{lines} lines are no flood");
    let last = run.all("stream").last().unwrap().content["text"].as_str().unwrap().to_string();
    assert!(
        last.ends_with(&format!("\nline {:09} of a flood\n", lines - 1)) && last.starts_with("line "),
        "{last:.50}"
    );
    let notice = |message: &&Message| message.content["data"]["text/plain"].as_str().unwrap().contains("left out");
    let updates: Vec<_> = run.all("update_display_data").into_iter().filter(notice).collect();
    let said = updates.last().unwrap().content["data"]["text/plain"].as_str().unwrap();
    let left_out: f64 = said.split_whitespace().nth(3).unwrap().parse().unwrap();
    let shown = 8.0 + last.len() as f64 / 1e6;
    assert!((lines as f64 * 26.0 / 1e6 - shown - left_out).abs() < 1.0, "{said} of {lines} lines");
    assert!(updates.len() < 12, "{} updates", updates.len());
    assert!(grown < 200, "{grown} MB more than before the flood");
    assert_eq!(client.execute("println!(\"more\");").ok().stream("stdout"), "more\n");
}

fn panics_without_end(client: &Client) {
    let run = client.execute(
        "for _ in 0..20_000 { let _ = std::panic::catch_unwind(|| panic!(\"caught\")); }\npanic!(\"{}\", \"é\".repeat(5_000_000));",
    );
    let (name, value, _) = run.error();
    assert!(name == "Panic" && value.starts_with("éé") && value.len() < 300_000, "{name}: {}", value.len());
}

/// What the kernel holds, in MB.
fn memory(client: &Client) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", client.kernel.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() / 1000
}
