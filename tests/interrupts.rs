//! What long computations do with an interrupt. In a process of its own, since the socket to the kernel is the process's.

#![allow(clippy::unwrap_used)]

use noisebook::prelude::*;
use std::cell::Cell;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A denoiser during whose `at`-th evaluation, from 1, the reader asks for an end.
#[derive(Clone)]
struct Interrupting {
    inner: Gaussian,
    at: usize,
    evaluations: Rc<Cell<usize>>,
    kernel: Rc<UnixDatagram>,
}

/// What `f` does with such a denoiser of points N x `size`.
fn with_interrupt<T>(at: usize, size: i64, f: impl FnOnce(&Interrupting) -> T) -> T {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let (kernel, cell) = UnixDatagram::pair().unwrap();
    // SAFETY: no other thread of this process reads or writes the environment meanwhile.
    unsafe { std::env::set_var("NOISEBOOK_SOCKET", cell.as_raw_fd().to_string()) };
    let inner = Gaussian::isotropic(0.0, 0.5, [size], &Schedule::cosine(10).unwrap()).unwrap();
    f(&Interrupting { inner, at, evaluations: Rc::default(), kernel: Rc::new(kernel) })
}

impl Denoiser for Interrupting {
    fn denoise(&self, xt: &Tensor, t: f64, labels: Option<&Tensor>) -> Result<Tensor, noisebook::Error> {
        self.evaluations.set(self.evaluations.get() + 1);
        if self.evaluations.get() == self.at {
            self.kernel.send(b"I").unwrap();
        }
        self.inner.denoise(xt, t, labels)
    }
    fn schedule(&self) -> &Schedule {
        self.inner.schedule()
    }
    fn sample_shape(&self) -> Vec<i64> {
        self.inner.sample_shape()
    }
    fn classes(&self) -> Option<i64> {
        None
    }
    fn device(&self) -> Device {
        Device::Cpu
    }
}

/// Batches are of 512 samples.
#[test]
fn a_likelihood_keeps_the_batches_that_are_done() {
    let likelihood = Likelihood::exact();
    let (first, whole) = with_interrupt(usize::MAX, 2, |model| {
        let x = model.inner.sample(512, 0).unwrap();
        let found = likelihood.of(model, &x, None).unwrap();
        (model.evaluations.get(), found.nats())
    });
    with_interrupt(first + 3, 2, |model| {
        let x = model.inner.sample(600, 0).unwrap();
        let found = likelihood.of(model, &x, None).unwrap();
        assert!(found.interrupted());
        assert_eq!(found.nats(), whole);
        assert_eq!(model.evaluations.get(), first + 3);
    });
    with_interrupt(2, 2, |model| {
        let said = likelihood.of(model, &model.inner.sample(3, 0).unwrap(), None).unwrap_err().to_string();
        assert_eq!(said, "x = 0 samples done: interrupted before the first were at the prior");
        assert_eq!(model.evaluations.get(), 2);
    });
}

#[test]
fn a_bound_ends_within_a_level() {
    with_interrupt(1, 2, |model| {
        let data = Dataset::new("grain", &model.inner.sample(600, 0).unwrap(), None, &[]).unwrap();
        let said = VariationalBound::ddpm().of(model, &data).unwrap_err().to_string();
        assert_eq!(said, "levels = 0: interrupted: a bound needs all 10");
        assert_eq!(model.evaluations.get(), 1);
    });
}

#[test]
fn langevin_paths_end_where_they_are() {
    with_interrupt(5, 1, |model| {
        let paths = Paths::langevin(model, 0.5, 0.01, 70).unwrap();
        assert_eq!(paths.values().size(), [70, 6]);
        assert_eq!(paths.times().len(), 6);
        assert_eq!(model.evaluations.get(), 6); // the last is for the density beside them
        let text = paths.bundle().unwrap().plain_text().to_string();
        assert!(text.contains("70 paths of 5 steps\n"), "{text}");
        // The request stays, and one step is taken in any case.
        let again = paths.redraw(1).unwrap();
        assert_eq!((again.values().size(), again.times().len()), (vec![70, 2], 2));
    });
}
