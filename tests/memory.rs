//! A training keeps a step's memory for the next; after it the process keeps no more than before. A process of its own.

#![allow(clippy::unwrap_used)]

use noisebook::prelude::*;

/// What this process holds, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1_024
}

/// Takes 1.2 GB in blocks of 30 MB, and gives them back.
fn take_and_give_back() {
    let blocks: Vec<Vec<u8>> = (0..40).map(|_| vec![1; 30_000_000]).collect();
    assert!(resident() > blocks.len() * 30_000_000);
}

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn memory_goes_back_after_a_training() {
    // glibc keeps memory of the main thread alone, where programs and the cells of a notebook run, unless all threads share it.
    if std::env::var_os("MALLOC_ARENA_MAX").is_none() {
        let mut test = std::process::Command::new(std::env::current_exe().unwrap());
        let output = test.env("MALLOC_ARENA_MAX", "1").arg("--nocapture").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).blocks(1).build().unwrap();
    let model = Diffusion::new(&unet, &Schedule::cosine(100).unwrap(), Prediction::V).unwrap();
    let mut training = Trainer::new(&model).batch_size(8).iter(&Dataset::digits().unwrap()).unwrap();
    training.next().unwrap().unwrap();
    let before = resident();
    take_and_give_back();
    assert!(resident() > before + 500_000_000, "nothing is kept");
    drop(training);
    take_and_give_back();
    assert!(resident() < before + 300_000_000, "{} of {before} before", resident());
}
