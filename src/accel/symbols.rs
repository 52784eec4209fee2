//! Functions of libtorch that tch does not bind, by the names that the C++ compiler gave them.
//!
//! A name holds the types of its arguments, so that a libtorch whose function takes others lacks the name. Nothing is
//! compiled for this, neither here nor in a notebook's build.

use std::ffi::{CStr, c_void};

/// Where the function lies, if what is loaded has it.
pub(crate) fn find(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: the name ends with NUL; dlsym only looks.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!found.is_null()).then_some(found)
}
