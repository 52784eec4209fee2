//! Work that is done again and again with other numbers: recorded as a CUDA graph once, and then launched as a whole.
//!
//! A step of a network is hundreds of small operations. Where launching them takes the host longer than doing them takes the
//! GPU, one launch for all is several times faster.

use super::cuda::{Graph, counts, records, refusal};
use crate::Result;
use std::sync::atomic::Ordering;
use tch::{Device, Kind, Tensor};

/// Whether steps of training and sampling on a GPU may be recorded as CUDA graphs (default: yes). A step is recorded when its
/// shapes come for the second time; the first two replays are laid beside the plain step, and one that differs by more than the
/// numbers' format explains is not used. Learning rates, levels and labels change freely; a recording keeps what
/// [`tf32`](super::tf32) and [`cudnn_benchmark`](super::cudnn_benchmark) were when it was made.
///
/// ```
/// noisebook::accel::cuda_graphs(false); // every operation by itself
/// # noisebook::accel::cuda_graphs(true);
/// ```
pub fn cuda_graphs(on: bool) {
    counts()[0].store(u64::from(on), Ordering::Relaxed);
}

/// What became of CUDA graphs in this process so far.
///
/// ```
/// use noisebook::accel::CudaGraphs;
/// let graphs = CudaGraphs::so_far();
/// println!("{} recorded, {} replays, {} refused", graphs.recorded, graphs.replayed, graphs.refused);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CudaGraphs {
    /// Steps that were recorded, each for shapes of its own.
    pub recorded: u64,
    /// How often one was launched.
    pub replayed: u64,
    /// Steps that could not be recorded, or whose replay differed from the plain step: they run plainly.
    pub refused: u64,
    /// Why the newest of these was refused.
    pub reason: Option<String>,
}

impl CudaGraphs {
    /// The counts until now.
    ///
    /// ```
    /// # use noisebook::accel::CudaGraphs;
    /// assert_eq!(CudaGraphs::so_far().recorded, 0); // nothing ran on a GPU yet
    /// ```
    #[must_use]
    pub fn so_far() -> Self {
        let [_, recorded, replayed, refused] = counts().each_ref().map(|count| count.load(Ordering::Relaxed));
        Self { recorded, replayed, refused, reason: (refused > 0).then(|| refusal(None)) }
    }
}

/// So many shapes are kept, the newest: guided and plain, a whole batch and a rest.
const MOST: usize = 4;
/// So many replays are laid beside the plain work, each with numbers of its own.
const PROOFS: usize = 2;
/// How far a replay may be from it, as a share of its norm: bfloat16 has three digits, and kernels that add in any order differ
/// by less. What is recorded wrongly, a level that does not change say, is off by more.
const APART: f64 = 0.02;

/// The recorded forms of one piece of work, by the shapes of what goes in.
#[derive(Debug, Default)]
pub(crate) struct Replays(Vec<Kept>);

#[derive(Debug)]
struct Kept {
    shapes: Vec<(Vec<i64>, Kind)>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// It ran once, as it is.
    Seen,
    Recorded(Recorded),
    /// It cannot be recorded.
    Refused,
}

#[derive(Debug)]
struct Recorded {
    // Goes first: the tensors' memory is the graph's.
    launch: Launch,
    inputs: Vec<Tensor>,
    outputs: Vec<Tensor>,
    proofs: usize,
}

#[derive(Debug)]
enum Launch {
    Graph(Graph),
    /// The work itself, on the same tensors.
    #[cfg(test)]
    Again,
}

impl Replays {
    /// Whether there is any use in it on this device. If not, work is to be done directly.
    pub(crate) fn on(device: Device) -> bool {
        #[cfg(test)]
        if tests::PRETEND.get() {
            return true;
        }
        records(device) && counts()[0].load(Ordering::Relaxed) == 1
    }

    /// What `work` makes of `inputs`, all of them on `device`: by `work` itself the first time, by a replay later on. Nothing but
    /// operations on that device may happen in `work`, and all that changes from time to time has to be among the inputs. The
    /// results are overwritten by the next run: what is to be kept is to be copied.
    pub(crate) fn run(
        &mut self,
        device: Device,
        inputs: &[Tensor],
        work: &dyn Fn(&[Tensor]) -> Result<Vec<Tensor>>,
    ) -> Result<Vec<Tensor>> {
        let shapes: Vec<_> = inputs.iter().map(|input| (input.size(), input.kind())).collect();
        let Some(place) = self.0.iter().position(|kept| kept.shapes == shapes) else {
            let made = work(inputs)?;
            if self.0.len() == MOST {
                self.0.remove(0);
            }
            self.0.push(Kept { shapes, state: State::Seen });
            return Ok(made);
        };
        self.0[place..].rotate_left(1);
        let last = self.0.len() - 1;
        let kept = &mut self.0[last];
        if matches!(kept.state, State::Seen) {
            kept.state =
                Recorded::of(device, inputs, work).map_or_else(|error| refused(error.to_string()), State::Recorded);
        }
        if let State::Recorded(recorded) = &mut kept.state {
            match recorded.replay(inputs, work) {
                Ok(true) => return Ok(recorded.outputs.iter().map(Tensor::shallow_clone).collect()),
                Ok(false) => kept.state = refused("its replay differs from the plain step".to_string()),
                Err(error) => kept.state = refused(error.to_string()),
            }
        }
        work(inputs)
    }
}

fn refused(reason: String) -> State {
    counts()[3].fetch_add(1, Ordering::Relaxed);
    refusal(Some(&reason));
    State::Refused
}

impl Recorded {
    fn of(device: Device, inputs: &[Tensor], work: &dyn Fn(&[Tensor]) -> Result<Vec<Tensor>>) -> Result<Self> {
        let inputs: Vec<Tensor> = inputs.iter().map(Tensor::f_detach_copy).collect::<Result<_, _>>()?;
        let record = || -> Result<(Launch, Vec<Tensor>)> {
            #[cfg(test)]
            if tests::PRETEND.get() {
                return Ok((Launch::Again, work(&inputs)?));
            }
            let (graph, outputs) = Graph::record(device, || work(&inputs))?;
            Ok((Launch::Graph(graph), outputs))
        };
        let (launch, outputs) = record()?;
        counts()[1].fetch_add(1, Ordering::Relaxed);
        Ok(Self { launch, inputs, outputs, proofs: PROOFS })
    }

    /// False where the outputs are not those of the plain work.
    fn replay(&mut self, inputs: &[Tensor], work: &dyn Fn(&[Tensor]) -> Result<Vec<Tensor>>) -> Result<bool> {
        let plain: Option<Vec<Tensor>> = match self.proofs {
            0 => None,
            _ => Some(work(inputs)?.iter().map(Tensor::f_detach_copy).collect::<Result<_, _>>()?),
        };
        for (own, input) in self.inputs.iter_mut().zip(inputs) {
            own.f_copy_(input)?;
        }
        match &self.launch {
            Launch::Graph(graph) => graph.replay()?,
            #[cfg(test)]
            Launch::Again => tests::again(&mut self.outputs, &self.inputs, work)?,
        }
        counts()[2].fetch_add(1, Ordering::Relaxed);
        let Some(plain) = plain else { return Ok(true) };
        for (replayed, plain) in self.outputs.iter().zip(&plain) {
            let norm =
                |tensor: &Tensor| -> Result<f64> { Ok(tensor.f_to_kind(Kind::Double)?.f_norm()?.f_double_value(&[])?) };
            let (apart, size) = (norm(&replayed.f_sub(plain)?)?, norm(plain)?);
            if !size.is_finite() {
                // A step that ends the training says nothing of the graph.
                return Ok(true);
            }
            // NaN is not.
            let near = apart <= APART * size + f64::from(f32::EPSILON);
            if !near {
                return Ok(false);
            }
        }
        self.proofs -= 1;
        Ok(true)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::Error;
    use std::cell::Cell;

    thread_local! {
        /// Whether this thread does as if its device recorded.
        pub(super) static PRETEND: Cell<bool> = const { Cell::new(false) };
    }

    /// While it lives, work on the CPU goes through [`Replays`] as on a GPU, only that a replay is the work itself, on the same
    /// tensors.
    pub(crate) struct Pretended;

    impl Pretended {
        pub(crate) fn new() -> Self {
            PRETEND.set(true);
            Self
        }
    }

    impl Drop for Pretended {
        fn drop(&mut self) {
            PRETEND.set(false);
        }
    }

    pub(super) fn again(
        outputs: &mut [Tensor],
        inputs: &[Tensor],
        work: &dyn Fn(&[Tensor]) -> Result<Vec<Tensor>>,
    ) -> Result<()> {
        for (own, made) in outputs.iter_mut().zip(work(inputs)?) {
            own.f_copy_(&made)?;
        }
        Ok(())
    }

    fn number(value: f64) -> [Tensor; 1] {
        [Tensor::from_slice(&[value])]
    }

    fn states(replays: &Replays) -> Vec<&'static str> {
        let name = |kept: &Kept| match kept.state {
            State::Seen => "seen",
            State::Recorded(_) => "recorded",
            State::Refused => "refused",
        };
        replays.0.iter().map(name).collect()
    }

    #[test]
    fn the_second_time_is_recorded_and_every_result_is_that_of_its_own_numbers() {
        let (_pretended, mut replays, calls) = (Pretended::new(), Replays::default(), Cell::new(0));
        let work = |inputs: &[Tensor]| {
            calls.set(calls.get() + 1);
            Ok(vec![&inputs[0] * 2.0, inputs[0].square()])
        };
        let before = CudaGraphs::so_far();
        for value in [1.0, 2.0, 3.0, 4.0, -5.0] {
            let made = replays.run(Device::Cpu, &number(value), &work).unwrap();
            assert_eq!((made[0].double_value(&[0]), made[1].double_value(&[0])), (2.0 * value, value * value));
            assert_eq!(states(&replays), [if value == 1.0 { "seen" } else { "recorded" }]);
        }
        // One plain, one recorded, four replays, two of them with their proofs.
        assert_eq!(calls.get(), 1 + 1 + 4 + 2);
        let after = CudaGraphs::so_far();
        assert!(after.recorded > before.recorded && after.replayed >= before.replayed + 4);
    }

    #[test]
    fn other_shapes_have_records_of_their_own_and_the_oldest_goes() {
        let (_pretended, mut replays) = (Pretended::new(), Replays::default());
        let work = |inputs: &[Tensor]| Ok(vec![inputs[0].sum(Kind::Double)]);
        let mut run = |length: i64| {
            let made = replays.run(Device::Cpu, &[Tensor::ones([length], (Kind::Float, Device::Cpu))], &work).unwrap();
            assert_eq!(made[0].double_value(&[]), length as f64);
            replays.0.iter().map(|kept| kept.shapes[0].0[0]).collect::<Vec<_>>()
        };
        assert_eq!([1, 2, 1, 3, 4].map(&mut run).last().unwrap(), &[2, 1, 3, 4]);
        assert_eq!(run(5), [1, 3, 4, 5]);
        assert_eq!(run(1), [3, 4, 5, 1]);
        assert_eq!(states(&replays), ["seen", "seen", "seen", "recorded"]);
    }

    #[test]
    fn work_that_depends_on_more_than_its_inputs_runs_plainly() {
        let (_pretended, mut replays, calls) = (Pretended::new(), Replays::default(), Cell::new(0.0));
        // As a recorded number of the host would: the replay has not seen the newest one.
        let work = |inputs: &[Tensor]| {
            calls.set(calls.get() + 1.0);
            Ok(vec![&inputs[0] * calls.get()])
        };
        for _ in 0..4 {
            let made = replays.run(Device::Cpu, &number(1.0), &work).unwrap();
            assert_eq!(made[0].double_value(&[0]), calls.get());
        }
        assert_eq!(states(&replays), ["refused"]);
        assert!(CudaGraphs::so_far().refused > 0);
    }

    #[test]
    fn an_error_of_the_work_is_its_own() {
        let (_pretended, mut replays) = (Pretended::new(), Replays::default());
        let work = |_: &[Tensor]| -> Result<Vec<Tensor>> { Err(Error::argument("x", 1, "no")) };
        for _ in 0..3 {
            assert_eq!(replays.run(Device::Cpu, &number(1.0), &work).unwrap_err().to_string(), "x = 1: no");
        }
    }
}
