//! A result that was computed outside of libtorch's graph, made a part of it.
//!
//! tch has no functions with a gradient of their own, so hooks stand in for one. A hook of libtorch sees the gradient of a tensor on
//! its way back, and may replace it. The result hangs on its inputs by an operation that costs next to nothing, a sum; a hook
//! keeps the gradient that arrives at the result, and one at each input puts the true gradient in place of the sum's.

use super::switches::recording;
use super::symbols::find;
use crate::{Error, Result};
use std::ffi::{CString, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tch::Tensor;

/// What takes the gradient with respect to the result to that with respect to input `index`. Where a graph is wanted of it (see
/// [`recording`]), it is to be made of operators that have one.
pub(crate) type Gradient = Box<dyn Fn(usize, &Tensor) -> Result<Tensor> + Send + Sync>;

/// Shared by the hooks of one result; gone when the graph is used up, with all that it holds.
type Shared = Arc<Mutex<Option<Gradient>>>;

/// Whether libtorch's graph can be given gradients from outside.
pub(crate) fn possible() -> bool {
    Calls::find().is_some()
}

/// Whether the graph that is on its way back now is to be used again.
fn keeps_graph() -> bool {
    let Some(found) = find(c"_ZN5torch8autograd33get_current_graph_task_keep_graphEv") else { return true };
    // SAFETY: `bool torch::autograd::get_current_graph_task_keep_graph()`.
    unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> bool>(found)() }
}

/// `value`, which was computed without a graph from `inputs`, as what depends on them with these gradients. It must not be
/// changed in place.
pub(crate) fn derived(value: Tensor, inputs: &[&Tensor], gradient: Gradient) -> Result<Tensor> {
    let Some(calls) = Calls::find().filter(|_| recording()) else { return Ok(value) };
    let shared: Shared = Arc::new(Mutex::new(Some(gradient)));
    let arrived = Arc::new(Mutex::new(None::<Tensor>));
    let mut sum: Option<Tensor> = None;
    for (index, input) in inputs.iter().enumerate().filter(|(_, input)| input.requires_grad()) {
        let input = input.f_alias()?;
        // What is made last runs first on the way back: the first input is the last that asks.
        let (last, arrived, shared) = (sum.is_none(), arrived.clone(), shared.clone());
        calls.hook(&input, move |_| {
            let (mut arrived, mut shared) = (lock(&arrived), lock(&shared));
            let there = if last { arrived.take() } else { arrived.as_ref().map(Tensor::shallow_clone) };
            let (Some(gradient), Some(there)) = (shared.as_ref(), there) else {
                return Err(Error::argument("keep_graph", false, "to go back through a graph again, keep it"));
            };
            let made = gradient(index, &there)?;
            if last && !keeps_graph() {
                *shared = None;
            }
            Ok(Some(made))
        })?;
        let own = input.f_sum(input.f_kind()?)?;
        sum = Some(match sum {
            Some(sum) => sum.f_add(&own)?,
            None => own,
        });
    }
    let Some(sum) = sum else { return Ok(value) };
    let mut result = sum.f_expand(value.size(), false)?;
    // The same tensor to the graph, with other numbers in it.
    result.f_set_data(&value)?;
    calls.hook(&result, move |there| {
        *lock(&arrived) = Some(there.shallow_clone());
        Ok(None)
    })?;
    Ok(result)
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a function holds: two words of its own.
type Words = [*const c_void; 2];

/// `std::function<at::TensorBase(const at::TensorBase&)>` as GCC's library lays it out.
#[repr(C)]
struct Function {
    words: Words,
    manage: Option<unsafe extern "C" fn(*mut Words, *const Words, i32) -> bool>,
    invoke: Invoke,
}

/// Where the result goes, the words, the argument.
type Invoke = unsafe extern "C-unwind" fn(*mut *const c_void, *const Words, *const c_void) -> *mut *const c_void;

/// What a hook does: None leaves the gradient as it is.
type Run = dyn Fn(&Tensor) -> Result<Option<Tensor>> + Send + Sync;

struct Hook {
    run: Box<Run>,
    /// What went wrong, for as long as libtorch reads it.
    error: Mutex<CString>,
    fail: Fail,
}

type Fail = unsafe extern "C-unwind" fn(*const c_char, *const c_char, u32, *const c_char) -> !;
type Register = unsafe extern "C-unwind" fn(*const c_void, *mut Function) -> u32;

/// libtorch's functions for it.
#[derive(Clone, Copy)]
struct Calls {
    register: Register,
    fail: Fail,
}

impl Calls {
    fn find() -> Option<Self> {
        let register = find(c"_ZNK2at10TensorBase14_register_hookESt8functionIFS0_RKS0_EE")?;
        let fail = find(c"_ZN3c106detail14torchCheckFailEPKcS2_jS2_")?;
        // SAFETY: the names hold the arguments' types. `at::TensorBase::_register_hook` returns unsigned, and takes the function by
        // a pointer, as it does all that is not trivial to copy; `c10::detail::torchCheckFail` throws.
        unsafe {
            Some(Self {
                register: std::mem::transmute::<*mut c_void, Register>(register),
                fail: std::mem::transmute::<*mut c_void, Fail>(fail),
            })
        }
    }

    fn hook(
        self,
        tensor: &Tensor,
        run: impl Fn(&Tensor) -> Result<Option<Tensor>> + Send + Sync + 'static,
    ) -> Result<()> {
        if !tensor.requires_grad() {
            return Err(Error::argument("gradient", "none", "a hook needs one"));
        }
        let hook = Arc::new(Hook { run: Box::new(run), error: Mutex::default(), fail: self.fail });
        let word = Arc::into_raw(hook).cast();
        let mut function = Function { words: [word, std::ptr::null()], manage: Some(manage), invoke };
        // SAFETY: a tch tensor points at an `at::Tensor`, which begins with its base. The only refusal, of a tensor without
        // gradient, was looked for. What is left in the function afterwards is the caller's to destroy.
        unsafe {
            (self.register)(tensor.as_ptr().cast(), &raw mut function);
            if let Some(manage) = function.manage {
                manage(&raw mut function.words, std::ptr::null(), 3);
            }
        }
        Ok(())
    }
}

/// Copies (2) and destroys (3) a function; it has no type information (0) and no pointer to give (1).
unsafe extern "C" fn manage(to: *mut Words, from: *const Words, what: i32) -> bool {
    // SAFETY: the first word is a reference of an `Arc<Hook>`, which a copy counts and a destruction gives back.
    unsafe {
        match what {
            2 => {
                Arc::increment_strong_count((*from)[0].cast::<Hook>());
                *to = *from;
            }
            3 => Arc::decrement_strong_count((*to)[0].cast::<Hook>()),
            _ => *to = [std::ptr::null(); 2],
        }
    }
    false
}

/// Writes the gradient that shall go on to `out`: an `at::TensorBase`, which is one pointer.
unsafe extern "C-unwind" fn invoke(
    out: *mut *const c_void,
    words: *const Words,
    gradient: *const c_void,
) -> *mut *const c_void {
    // SAFETY: see `manage`; the function outlives its call.
    let hook = unsafe { &*(*words)[0].cast::<Hook>() };
    let message = {
        // SAFETY: `gradient` points at an `at::TensorBase`, all that an `at::Tensor` is made of; the clone has its own reference.
        let gradient = unsafe { Tensor::clone_from_ptr(gradient.cast_mut().cast()) };
        let made = catch_unwind(AssertUnwindSafe(|| if gradient.defined() { (hook.run)(&gradient) } else { Ok(None) }));
        match made.unwrap_or_else(|_| Err(Error::argument("gradient", "none", "its computation panicked"))) {
            Ok(made) => {
                // What is not defined changes nothing.
                let (mut made, mut nothing) = (made.unwrap_or_else(Tensor::new), Tensor::new());
                // SAFETY: both point at one pointer each; the made one's reference moves to `out`, and it takes the other's.
                unsafe {
                    let (made, nothing) = (made.as_mut_ptr().cast::<*const c_void>(), nothing.as_mut_ptr().cast());
                    *out = *made;
                    std::ptr::copy_nonoverlapping::<*const c_void>(nothing, made, 1);
                }
                return out;
            }
            Err(error) => {
                let text = CString::new(error.to_string().replace('\0', " ")).unwrap_or_default();
                let mut kept = lock(&hook.error);
                *kept = text;
                kept.as_ptr()
            }
        }
    };
    // SAFETY: nothing is left here that would have to be dropped, and libtorch calls hooks where it expects exceptions.
    unsafe { (hook.fail)(c"gradient".as_ptr(), c"noisebook".as_ptr(), 0, message) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind, no_grad_guard};

    /// x y, whose gradients are told here; of a wrong one the sign shows.
    fn product(x: &Tensor, y: &Tensor, sign: f64) -> Tensor {
        let value = {
            let _guard = no_grad_guard();
            x * y
        };
        let both = Mutex::new([x.shallow_clone(), y.shallow_clone()]);
        let gradient: Gradient =
            Box::new(move |index, there| Ok(there.f_mul(&both.lock().unwrap()[1 - index])?.f_mul_scalar(sign)?));
        derived(value, &[x, y], gradient).unwrap()
    }

    fn two() -> (Tensor, Tensor) {
        let numbers = Tensor::arange(6, (Kind::Float, Device::Cpu)).view([2, 3]);
        ((&numbers * 0.5).set_requires_grad(true), (numbers.cos()).set_requires_grad(true))
    }

    #[test]
    fn the_graph_takes_the_gradients_that_are_told() {
        assert!(possible());
        let (x, y) = two();
        let z = product(&x, &y, -1.0);
        assert_eq!((z.size(), z.detach()), (vec![2, 3], x.detach() * y.detach()));
        // d/dx sum sin(x y)^2 = sin(2 x y) y
        let loss = || (product(&x, &y, 1.0).sin().square() + product(&x, &y, -1.0) * 0.0).sum(Kind::Float);
        let expected = |other: &Tensor| ((&x * &y * 2.0).sin() * other).detach();
        for wanted in [vec![&x, &y], vec![&y], vec![&x]] {
            let made = Tensor::run_backward(&[loss()], &wanted, false, false);
            for (made, input) in made.iter().zip(&wanted) {
                let other = if **input == x { &y } else { &x };
                assert!((made - expected(other)).abs().max().double_value(&[]) < 1e-6);
            }
        }
        // The same graph twice.
        let loss = loss();
        let first = Tensor::run_backward(&[&loss], &[&x], true, false).remove(0);
        assert_eq!(first, Tensor::run_backward(&[&loss], &[&x], false, false).remove(0));
    }

    #[test]
    fn gradients_have_gradients() {
        let (x, y) = two();
        let slope =
            Tensor::run_backward(&[product(&x, &y, 1.0).square().sum(Kind::Float)], &[&x], true, true).remove(0);
        let curve = Tensor::run_backward(&[slope.sum(Kind::Float)], &[&y], false, false).remove(0);
        // d/dx sum (x y)^2 = 2 x y^2, and d/dy of its sum 4 x y.
        assert!((curve - &x * &y * 4.0).abs().max().double_value(&[]) < 1e-6);
    }

    #[test]
    fn what_needs_no_gradient_stays_outside_and_nothing_is_kept() {
        let (x, y) = two();
        assert!(!product(&x.detach(), &y.detach(), 1.0).requires_grad());
        let still = product(&x.detach(), &y, 1.0);
        let gradient = Tensor::run_backward(&[still.sum(Kind::Float)], &[&y], false, false).remove(0);
        assert_eq!(gradient, x.detach());
        {
            let _guard = no_grad_guard();
            assert!(!product(&x, &y, 1.0).requires_grad());
        }
        let kept = Arc::new(());
        let held = kept.clone();
        let gradient: Gradient = Box::new(move |_, there| {
            let _ = &held;
            Ok(there.shallow_clone())
        });
        let result = derived(x.detach(), &[&x], gradient).unwrap();
        let back = |keep_graph| Tensor::f_run_backward(&[&result.sum(Kind::Float)], &[&x], keep_graph, false);
        let _ = back(true).unwrap();
        assert_eq!(Arc::strong_count(&kept), 2);
        let _ = back(false).unwrap();
        assert_eq!(Arc::strong_count(&kept), 1);
        let said = back(false).unwrap_err().to_string();
        assert!(said.contains("keep_graph = false: to go back through a graph again, keep it"), "{said}");
        drop(result);
    }

    #[test]
    fn an_error_on_the_way_back_is_an_error_and_no_end() {
        let (x, _) = two();
        for panics in [false, true] {
            let gradient: Gradient = Box::new(move |_, _| {
                assert!(!panics, "as told");
                Err(Error::argument("gradient", 7, "not this one"))
            });
            let result = derived(x.detach(), &[&x], gradient).unwrap().sum(Kind::Float);
            let said = Tensor::f_run_backward(&[result], &[&x], false, false).unwrap_err().to_string();
            let expected =
                if panics { "gradient = none: its computation panicked" } else { "gradient = 7: not this one" };
            assert!(said.contains(expected), "{said}");
        }
    }
}
