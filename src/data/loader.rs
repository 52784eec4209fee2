//! Batches made in threads, while the step before them runs.

use super::augment::{self, Random};
use super::batch::check_batch_size;
use super::samples::Samples;
use super::{Batch, Dataset};
use crate::random::{Stream, generator, permutation};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tch::Tensor;

/// Batches that are made before anybody asks for them.
const AHEAD: usize = 3;
/// More would not make them sooner: a batch is copied out of memory.
const THREADS: usize = 2;

/// Batches of a data set, by the number of the step: every epoch shuffles anew, from the seed and the epoch's number, and
/// takes whole batches; what is left over waits for the next shuffle. What a step draws depends on the seed and its number alone.
///
/// The next batches are made in threads while the step runs.
///
/// ```
/// use noisebook::data::Loader;
/// use noisebook::prelude::*;
/// let digits = Dataset::digits()?;
/// let mut loader = Loader::new(&digits, 64, 0)?; // images a batch, seed
/// for step in 0..3 {
///     assert_eq!(loader.batch(step)?.images.size(), [64, 1, 8, 8]);
/// }
/// assert_eq!(loader.batch(700)?.images, Loader::new(&digits, 64, 0)?.batch(700)?.images); // whatever came before
/// # Ok::<(), noisebook::Error>(())
/// ```
pub struct Loader {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    steps_an_epoch: usize,
}

struct Shared {
    state: Mutex<State>,
    /// Something in the state has changed.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The step that is asked for next.
    wanted: usize,
    /// The step that a worker takes up next.
    next: usize,
    /// Batches that are made and not yet asked for.
    ready: BTreeMap<usize, Result<Batch>>,
    closed: bool,
}

/// What a worker makes batches of.
struct Source {
    samples: Samples,
    labels: Arc<[i64]>,
    classes: Vec<String>,
    random: Vec<Random>,
    batch_size: usize,
    seed: u64,
    /// The last epoch's number and order.
    order: (usize, Vec<i64>),
}

impl Loader {
    /// Batches of `batch_size` images, in an order drawn with this seed. The first ones are being made when it returns.
    ///
    /// # Errors
    /// A size of 0 or one larger than the data set.
    ///
    /// ```
    /// use noisebook::data::Loader;
    /// let error = Loader::new(&noisebook::Dataset::digits()?, 0, 0).unwrap_err();
    /// assert_eq!(error.to_string(), "batch_size = 0: must be at least 1");
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn new(dataset: &Dataset, batch_size: usize, seed: u64) -> Result<Self> {
        check_batch_size(batch_size, dataset)?;
        let labels: Arc<[i64]> = Vec::<i64>::try_from(dataset.labels())?.into();
        let shared = Arc::new(Shared { state: Mutex::new(State::default()), changed: Condvar::new() });
        let mut loader =
            Self { shared: shared.clone(), workers: Vec::new(), steps_an_epoch: dataset.len() / batch_size };
        for _ in 0..THREADS {
            let mut source = Source {
                samples: dataset.samples.clone(),
                labels: labels.clone(),
                classes: dataset.classes(),
                random: dataset.random.clone(),
                batch_size,
                seed,
                order: (usize::MAX, Vec::new()),
            };
            let shared = shared.clone();
            let worker = std::thread::Builder::new().name("loader".into()).spawn(move || shared.work(&mut source));
            let failed = |error| Error::argument("loader", "no thread", format!("none could be started: {error}"));
            loader.workers.push(worker.map_err(failed)?);
        }
        Ok(loader)
    }

    /// The batch of a step, from 0. Steps one after another are ready when they are asked for; any other may be asked for too.
    ///
    /// # Errors
    /// What libtorch says when there is no memory left.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let mut loader = noisebook::data::Loader::new(&Dataset::moons(100, 0.1)?, 10, 0)?;
    /// assert_ne!(loader.batch(0)?.images, loader.batch(1)?.images);
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    pub fn batch(&mut self, step: usize) -> Result<Batch> {
        let mut state = self.shared.lock();
        if state.wanted != step {
            // Batches that are being made for other steps arrive, and are thrown away below.
            (state.wanted, state.next) = (step, step);
            self.shared.changed.notify_all();
        }
        loop {
            let (first, last) = (state.wanted, state.wanted + AHEAD);
            state.ready.retain(|step, _| (first..=last).contains(step));
            if let Some(batch) = state.ready.remove(&step) {
                state.wanted = step + 1;
                self.shared.changed.notify_all();
                return batch;
            }
            if self.workers.iter().all(JoinHandle::is_finished) {
                return Err(Error::argument("loader", "no thread", "its threads have ended: make a new one"));
            }
            let pause = std::time::Duration::from_secs(1);
            state = self.shared.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Steps that make an epoch: as many as there are whole batches.
    ///
    /// ```
    /// # use noisebook::prelude::*;
    /// let loader = noisebook::data::Loader::new(&Dataset::digits()?, 64, 0)?;
    /// assert_eq!(loader.steps_an_epoch(), 28); // 1,797 / 64
    /// # Ok::<(), noisebook::Error>(())
    /// ```
    #[must_use]
    pub fn steps_an_epoch(&self) -> usize {
        self.steps_an_epoch
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes batches until the loader is gone.
    fn work(&self, source: &mut Source) {
        let mut state = self.lock();
        while !state.closed {
            if state.next >= state.wanted + AHEAD {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let step = state.next;
            state.next += 1;
            drop(state);
            let batch = source.batch(step);
            state = self.lock();
            state.ready.insert(step, batch);
            self.changed.notify_all();
        }
    }
}

impl Source {
    fn batch(&mut self, step: usize) -> Result<Batch> {
        let steps = self.labels.len() / self.batch_size;
        let (epoch, within) = (step / steps, step % steps);
        if self.order.0 != epoch {
            let mut rng = generator(self.seed, Stream::Order, epoch as u64);
            self.order = (epoch, permutation(&mut rng, self.labels.len()));
        }
        let indices = &self.order.1[within * self.batch_size..(within + 1) * self.batch_size];
        let labels: Vec<i64> = indices.iter().map(|&index| self.labels[index as usize]).collect();
        let images = augment::apply(&self.random, self.samples.gather(indices)?, step as u64)?;
        Ok(Batch { images, labels: Tensor::f_from_slice(&labels)?, classes: self.classes.clone() })
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
    }
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "batches, {} an epoch, the next one of step {}", self.steps_an_epoch, self.shared.lock().wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_draws_the_same_whatever_came_before() {
        let digits = Dataset::digits().unwrap().flip(1).unwrap().random_crop(1, 2).unwrap();
        let mut loader = Loader::new(&digits, 100, 5).unwrap();
        let all: Vec<Tensor> = (0..40).map(|step| loader.batch(step).unwrap().images).collect();
        for step in [39, 3, 4, 5, 0, 20, 17] {
            assert_eq!(loader.batch(step).unwrap().images, all[step], "{step}");
        }
        let mut other = Loader::new(&digits, 100, 5).unwrap();
        assert_eq!(other.batch(25).unwrap().images, all[25]);
        assert_ne!(Loader::new(&digits, 100, 6).unwrap().batch(0).unwrap().images, all[0]);
    }

    #[test]
    fn an_epoch_shows_every_image_once_and_the_next_in_another_order() {
        let labels = Tensor::arange(20, tch::kind::INT64_CPU);
        let names: Vec<String> = (0..20).map(|name| name.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let points = Tensor::zeros([20, 2], tch::kind::FLOAT_CPU);
        let set = Dataset::new("points", &points, Some(&labels), &names).unwrap();
        let mut loader = Loader::new(&set, 5, 0).unwrap();
        let mut epoch = |first: usize| -> Vec<i64> {
            (first..first + 4)
                .flat_map(|step| Vec::<i64>::try_from(loader.batch(step).unwrap().labels).unwrap())
                .collect()
        };
        let (mut first, mut second) = (epoch(0), epoch(4));
        assert_ne!(first, second);
        first.sort_unstable();
        second.sort_unstable();
        assert_eq!((&first, &second), (&(0..20).collect(), &(0..20).collect()));
    }

    #[test]
    fn the_next_batches_are_made_before_they_are_asked_for() {
        let mut loader = Loader::new(&Dataset::digits().unwrap(), 10, 0).unwrap();
        loader.batch(0).unwrap();
        let shared = loader.shared.clone();
        let mut state = shared.lock();
        while state.ready.len() < AHEAD {
            state = shared.changed.wait(state).unwrap();
        }
        assert_eq!(state.ready.keys().copied().collect::<Vec<_>>(), [1, 2, 3]);
    }
}
