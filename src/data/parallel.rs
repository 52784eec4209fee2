//! The same work on many things, in threads, with a word on how far it is.

use crate::show::{Bundle, Live, grouped, interrupted};
use crate::{Error, Result};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Work that is done sooner needs no word.
const SILENT: Duration = Duration::from_secs(1);

/// The results in the order of the items, whichever thread made them. `doing` is what the reader sees: "Reading images".
pub(super) fn in_threads<T: Send, R: Send>(
    doing: &str,
    items: impl ExactSizeIterator<Item = T> + Send,
    work: impl Fn(T) -> R + Sync,
) -> Result<Vec<R>> {
    let total = items.len();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(total.max(1));
    let (queue, done, stop) = (Mutex::new(items.enumerate()), AtomicUsize::new(0), AtomicBool::new(false));
    let worker = || {
        let mut results = Vec::new();
        loop {
            let item = queue.lock().ok().and_then(|mut queue| queue.next()).filter(|_| !stop.load(Relaxed));
            let Some((index, item)) = item else { return results };
            results.push((index, work(item)));
            done.fetch_add(1, Relaxed);
        }
    };
    let results = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        let (mut live, mut said, began) = (Live::new(), false, Instant::now());
        let state = || Bundle::text(format!("{doing}: {} of {}", grouped(done.load(Relaxed)), grouped(total)));
        let mut waited = Duration::from_micros(50);
        while !workers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            std::thread::sleep(waited);
            waited = (waited * 2).min(Duration::from_millis(50));
            stop.fetch_or(interrupted(), Relaxed);
            if began.elapsed() > SILENT && live.due() {
                said |= live.update(&state()).is_ok();
            }
        }
        if said {
            let _ = live.finish(&state());
        }
        workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<std::thread::Result<Vec<_>>>()
    })
    .map_err(|_| Error::argument(doing, "a panic", "the decoder failed on one of the files"))?;
    let mut results: Vec<(usize, R)> = results.into_iter().flatten().collect();
    if stop.into_inner() {
        let rule = format!("interrupted after {} of {}", grouped(done.into_inner()), grouped(total));
        return Err(Error::argument(doing, "no end", rule));
    }
    results.sort_unstable_by_key(|&(index, _)| index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_items() {
        let squares = in_threads("Squaring", 0..1_000usize, |x| x * x).unwrap();
        assert_eq!(squares, (0..1_000).map(|x| x * x).collect::<Vec<_>>());
        assert_eq!(in_threads("Nothing", 0..0usize, |x| x).unwrap(), [0; 0]);
    }
}
