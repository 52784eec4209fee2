//! Work shared among libtorch's own threads, which would otherwise spin beside those that do it.

use super::symbols::find;
use std::ffi::c_void;

type Region = unsafe extern "C" fn(unsafe extern "C" fn(*mut c_void), *mut c_void, u32, u32);
type Number = unsafe extern "C" fn() -> i32;

/// The OpenMP of libtorch: GCC's, by its own names.
#[derive(Clone, Copy)]
pub(crate) struct Threads {
    region: Region,
    number: Number,
    count: Number,
}

struct Job<'a> {
    items: usize,
    threads: Threads,
    run: &'a (dyn Fn(usize, usize) + Sync),
}

impl Threads {
    pub(crate) fn find() -> Option<Self> {
        let (region, number, count) =
            (find(c"GOMP_parallel")?, find(c"omp_get_thread_num")?, find(c"omp_get_num_threads")?);
        // SAFETY: OpenMP says what the two numbers are, and GCC's interface `void GOMP_parallel(void (*)(void *), void *,
        // unsigned, unsigned)`.
        unsafe {
            Some(Self {
                region: std::mem::transmute::<*mut c_void, Region>(region),
                number: std::mem::transmute::<*mut c_void, Number>(number),
                count: std::mem::transmute::<*mut c_void, Number>(count),
            })
        }
    }

    /// Calls `run(from, to)` for parts of 0..items, one for each of the threads that libtorch is told to take.
    pub(crate) fn share(self, items: usize, run: &(dyn Fn(usize, usize) + Sync)) {
        let count = usize::try_from(tch::get_num_threads()).unwrap_or(1).clamp(1, items.max(1));
        if count == 1 {
            return run(0, items);
        }
        let mut job = Job { items, threads: self, run };
        // SAFETY: the region ends when all threads are done, so that the job outlives them.
        unsafe { (self.region)(part, (&raw mut job).cast(), count as u32, 0) }
    }
}

/// A thread's part; a panic in it ends the process, as no frame of C's is to be unwound.
unsafe extern "C" fn part(job: *mut c_void) {
    // SAFETY: it is what `share` gave, which nobody changes.
    let job = unsafe { &*job.cast::<Job>() };
    // SAFETY: they take nothing and look at the thread alone.
    let (number, count) = unsafe { ((job.threads.number)() as usize, (job.threads.count)() as usize) };
    (job.run)(job.items * number / count, job.items * (number + 1) / count);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn every_item_is_done_once() {
        let threads = Threads::find().unwrap();
        for items in [0, 1, 2, 7, 1_000] {
            let done = Mutex::new(vec![0; items]);
            threads.share(items, &|from, to| done.lock().unwrap()[from..to].iter_mut().for_each(|times| *times += 1));
            assert_eq!(done.into_inner().unwrap(), vec![1; items]);
        }
    }
}
