//! What a process that ends at any moment leaves behind: the last checkpoint, whole.
//!
//! The tests start this program again as the process that is to die: with `NOISEBOOK_RUN` set, the test `child` trains in
//! that folder.
#![allow(clippy::unwrap_used)]

use noisebook::prelude::*;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const STEPS: usize = 30;

fn trainer(model: &Diffusion, folder: &Path) -> Trainer {
    Trainer::new(model).steps(STEPS).batch_size(16).lr_schedule(LearningRate::OneCycle).resume(folder)
}

fn model() -> Diffusion {
    let unet = UNet::builder().channels(1).image_size(8).base_channels(8).channel_mults([1]).blocks(1).classes(10);
    Diffusion::new(&unet.device(Device::Cpu).build().unwrap(), &Schedule::cosine(100).unwrap(), Prediction::V).unwrap()
}

fn data() -> (Dataset, Dataset) {
    Dataset::digits().unwrap().split(0.9, 0).unwrap()
}

/// A folder that one test alone uses, and that is gone after it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("noisebook-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.join(name)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Not a test by itself: the process that the others kill.
#[test]
fn child() {
    let Some(folder) = std::env::var_os("NOISEBOOK_RUN") else { return };
    if let Some(limit) = std::env::var_os("NOISEBOOK_LIMIT") {
        limit_files(limit.to_str().unwrap().parse().unwrap());
    }
    let (train, test) = data();
    let trainer = trainer(&model(), Path::new(&folder)).checkpoint_every(1).validate(&test).validate_every(10);
    let run = trainer.sample_every(STEPS).fit(&train).unwrap();
    if let Some(unsaved) = run.unsaved() {
        println!("unsaved: {unsaved}");
    }
}

/// From here on no file of this process may be larger: as on a full disk, a write fails.
fn limit_files(bytes: u64) {
    // SAFETY: the struct is whole, and ignoring a signal calls nothing of ours.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit), 0);
    }
}

fn start(folder: &Path, limit: Option<u64>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture"]).env("NOISEBOOK_RUN", folder).env("OMP_NUM_THREADS", "1");
    if let Some(limit) = limit {
        command.env("NOISEBOOK_LIMIT", limit.to_string());
    }
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// How long a child takes for the whole, and the bytes of its checkpoints.
fn undisturbed() -> (Duration, [Vec<u8>; 2]) {
    let (folder, began) = (Folder::new("undisturbed"), Instant::now());
    assert!(start(&folder.0, None).wait().unwrap().success());
    (began.elapsed(), ["last.safetensors", "best.safetensors"].map(|name| folder.bytes(name)))
}

/// Kills a training at `kills` moments spread over its time, starts it again after each, and compares the end with that of a
/// run that nobody killed: every byte.
fn kill(kills: usize, name: &str) {
    let (whole, expected) = undisturbed();
    let (mut killed, mut tried, mut runs) = (0, 0, 0);
    while killed < kills {
        let folder = Folder::new(name);
        // A run is killed again and again until it has come through; then the next begins.
        loop {
            let mut child = start(&folder.0, None);
            if killed < kills {
                // Multiples of the golden ratio: they come as close as one likes to any moment, and no two are the same.
                tried += 1;
                let moment = (0.618_034 * f64::from(tried)).fract();
                std::thread::sleep(whole.mul_f64(moment));
            }
            if child.try_wait().unwrap().is_none() && killed < kills {
                child.kill().unwrap(); // SIGKILL
                child.wait().unwrap();
                killed += 1;
                continue;
            }
            assert!(child.wait().unwrap().success());
            break;
        }
        runs += 1;
        let found = ["last.safetensors", "best.safetensors"].map(|name| folder.bytes(name));
        assert!(found == expected, "run {runs} ended elsewhere");
        assert_eq!(folder.names(), ["best.safetensors", "last.safetensors", "run.json"]);
    }
    println!("{killed} kills in {runs} runs");
}

#[test]
fn killed_runs_end_where_undisturbed_ones_do() {
    kill(4, "killed");
}

#[test]
#[ignore = "slow: a minute or two"]
fn a_hundred_kills_change_nothing() {
    kill(100, "killed-often");
}

#[test]
fn a_full_disk_leaves_the_last_checkpoint_whole_and_says_so() {
    let folder = Folder::new("full");
    let (train, test) = data();
    trainer(&model(), &folder.0).steps(5).validate(&test).fit(&train).unwrap();
    let before = folder.bytes("last.safetensors");
    let child = start(&folder.0, Some(20_000)).wait_with_output().unwrap();
    let said = String::from_utf8(child.stdout).unwrap();
    assert!(child.status.success(), "{said}");
    assert!(said.contains("last.safetensors: cannot be written: File too large"), "{said}");
    assert!(folder.bytes("last.safetensors") == before);
    assert_eq!(folder.names(), ["best.safetensors", "last.safetensors", "run.json"]); // nothing half written
}
