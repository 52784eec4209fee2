//! `noisebook doctor` as one calls it.

#![cfg(feature = "kernel")]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::process::{Command, Output};

fn noisebook(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_noisebook"));
    command.args(arguments);
    command
}

fn text(output: &Output) -> String {
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Mark and name of each check.
fn marks(text: &str) -> Vec<(&str, &str)> {
    let lines = text.lines().take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   "));
    lines.map(|line| (line[..9].trim(), line[9..22].trim())).collect()
}

#[test]
fn each_check_has_a_line_and_the_status_says_whether_one_failed() {
    let output = noisebook(&["doctor"]).output().unwrap();
    let text = text(&output);
    let marks = marks(&text);
    assert_eq!(marks.len(), 11, "{text}");
    assert!(marks.iter().all(|(mark, _)| ["ok", "warning", "failed"].contains(mark)), "{text}");
    assert_eq!(output.status.success(), marks.iter().all(|(mark, _)| *mark != "failed"), "{text}");
    // What built this test is there.
    for name in ["Rust", "linker", "libtorch"] {
        assert!(marks.contains(&("ok", name)), "{text}");
    }
    let mends = text.lines().filter(|line| line.trim_start().starts_with("mend: ")).count();
    assert_eq!(mends, marks.iter().filter(|(mark, _)| *mark != "ok").count(), "{text}");
}

#[test]
fn it_works_where_nothing_is_there() {
    let empty = tempfile::tempdir().unwrap();
    let mut command = noisebook(&["doctor"]);
    command.env_clear().envs([("PATH", empty.path()), ("HOME", empty.path())]);
    let output = command.output().unwrap();
    let text = text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for check in [
        ("failed", "Rust"),
        ("failed", "rust-src"),
        ("failed", "linker"),
        ("warning", "Jupyter"),
        ("failed", "kernelspec"),
        ("failed", "build"),
    ] {
        assert!(marks(&text).contains(&check), "{text}");
    }
}

#[test]
fn it_starts_without_libtorch() {
    // With this variable the system's loader lists what it would load, and runs nothing.
    let output = noisebook(&[]).env("LD_TRACE_LOADED_OBJECTS", "1").output().unwrap();
    let text = text(&output);
    assert!(text.contains("libc.so"), "{text}");
    assert!(!text.contains("torch") && !text.contains("libc10"), "{text}");
}

#[test]
fn failures_are_explained() {
    let output = noisebook(&["doctor", "--explain"]).output().unwrap();
    assert!(output.status.success());
    assert!(text(&output).contains("libtorch_cpu.so: cannot open shared object file\n    why: "));
}
